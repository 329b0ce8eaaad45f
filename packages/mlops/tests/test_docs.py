"""The documentation matches the program: commands and options exist, links resolve, the index lists every page.

Commands are looked for in the code of Markdown pages and in the comments of the YAML files that a fork edits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click
import pytest

from mlops.cli.command_line import cli
from mlops.core.layout import INFRASTRUCTURE_PROGRAMS

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
FOLDERS_WITH_DOCS = (".github", ".azuredevops", "data", "docs", "endpoints", "infra", "packages/*", "releases")
FENCED = re.compile(r"^[ ]*```.*?\n(.*?)^[ ]*```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
# `mlops` as the first word of a command line, with what follows up to another program.
USAGE = re.compile(r"(?<![\w./@-])mlops[ ]+((?:(?!\bmlops\b)[^|;&\n#])+)")
# Before the command's name.
PROJECT = re.compile(r"^--project +\S+ +")
WORD = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|[a-z][\w-]*)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def pages() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(page for folder in FOLDERS_WITH_DOCS for page in ROOT.glob(f"{folder}/**/*.md"))]
    return sorted({page for page in found if not _is_installed(page)})


def settings_files() -> list[Path]:
    found = [ROOT / "project.yml"]
    for folder in (".github", "data", "endpoints", "environments", "infra", "pipelines", "releases"):
        found += [file for file in (ROOT / folder).rglob("*.y*ml") if not _is_installed(file)]
    return sorted(found)


def _is_installed(file: Path) -> bool:
    """Whether a file came with a library: infra/ has an environment for its program, and one for its scanner."""
    return any(part.startswith(".venv") or part == "node_modules" for part in file.parts)


def code_in(text: str, *, markdown: bool) -> Iterator[str]:
    """The code of a page, a line or a span at a time; of YAML, the spans in its comments."""
    if markdown:
        for block in FENCED.findall(text):
            yield from block.replace("\\\n", " ").splitlines()
        text = FENCED.sub("", text)
    else:
        text = "\n".join(line.partition("#")[2] for line in text.splitlines())
    # A span may be wrapped over two lines.
    yield from (" ".join(span.split()) for span in INLINE.findall(text))


def problems_in(code: str) -> Iterator[str]:
    """What is wrong with each use of the command in a line of code."""
    context = click.Context(cli)
    for usage in USAGE.findall(code):
        words = WORD.findall(PROJECT.sub("", usage))
        command: click.Command | None = cli
        while isinstance(command, click.Group) and words and not words[0].startswith("--"):
            command = command.get_command(context, words.pop(0))
        if command is None:
            yield f"`mlops {usage.strip()}`: no such command"
            continue
        known = {name for option in command.get_params(context) for name in (*option.opts, *option.secondary_opts)}
        if command.name == "infra" and words and not words[0].startswith("--"):
            known |= options_of_infrastructure(words.pop(0))
        for option in (word for word in words if word.startswith("--")):
            if option not in known:
                yield f"`mlops {usage.strip()}`: no such option {option}"


def options_of_infrastructure(program: str) -> set[str]:
    """The options of a program of infra/, which has a parser of its own."""
    module = ROOT.joinpath("infra", *INFRASTRUCTURE_PROGRAMS[program].split("."))
    file = module / "__main__.py" if module.is_dir() else module.with_suffix(".py")
    return {"--help", *re.findall(r'add_argument\(\s*"(--[\w-]+)"', file.read_text(encoding="utf-8"))}


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = HEADING.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in titles)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in plain}


def broken_links(page: Path) -> Iterator[str]:
    text = INLINE.sub("", FENCED.sub("", page.read_text(encoding="utf-8")))
    for link in LINK.findall(text):
        name, _, anchor = link.partition("#")
        if ":" in name:
            continue
        target = (page.parent / name).resolve() if name else page
        if not target.exists():
            yield f"{link}: no such file"
        elif anchor and target.suffix == ".md" and anchor not in anchors_of(target):
            yield f"{link}: no such heading"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_in_a_page_exist(page: Path) -> None:
    codes = list(code_in(page.read_text(encoding="utf-8"), markdown=True))

    assert [problem for code in codes for problem in problems_in(code)] == []


def test_commands_and_options_in_comments_of_yaml_exist() -> None:
    files = {file: list(code_in(file.read_text(encoding="utf-8"), markdown=False)) for file in settings_files()}
    found = {str(file.relative_to(ROOT)): list(chain(*map(problems_in, codes))) for file, codes in files.items()}

    assert {name: problems for name, problems in found.items() if problems} == {}
    assert any(USAGE.search(code) for code in files[ROOT / "releases" / "gates.yml"])


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("mlops rollout", 1),
        ("uv run mlops gate --stages prod", 1),
        ('eval "$(uv run mlops environment)"', 1),
        ("mlops up && mlops train --stag dev --data FILE", 1),
        ("mlops --projekt . status", 1),
        ("mlops --project models/price demo --date FILE", 1),
        ("mlops --project models/price demo --data FILE", 0),
        ("mlops demo [--bad-model] [--drift]", 0),
        ("mlops promote --to prod --no-pull-request", 0),
        ("mlops --help", 0),
        ("from mlops.collected import reading", 0),
        ("packages/mlops/ src", 0),
    ],
)
def test_a_command_or_option_that_does_not_exist_is_found(code: str, count: int) -> None:
    assert len(list(problems_in(code))) == count


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    assert list(broken_links(page)) == []


def test_the_index_lists_every_page() -> None:
    index = DOCS / "index.md"
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in LINK.findall(index.read_text(encoding="utf-8"))}

    assert {page for page in DOCS.rglob("*.md") if page != index} - linked == set()


def test_each_figure_has_a_script_that_measures_it() -> None:
    rows = [line for line in (ROOT / "docs/figures.md").read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    scripts = {match[1] for row in rows if (match := re.search(r"`(\w+\.py)[^`]*` \|$", row))}
    assert len(scripts) > 8
    assert [name for name in scripts if not (ROOT / "benchmarks" / name).is_file()] == []

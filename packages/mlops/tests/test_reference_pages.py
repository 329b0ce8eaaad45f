"""Pages that restate the program: the commands, the exit codes and the messages that people look up.

Each page is compared with the code that it describes; README stays as short as a first look allows.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from click.shell_completion import get_completion_class

from mlops.cli.command_line import SECTIONS
from mlops.core import errors
from mlops.core.errors import MlopsError
from mlops.monitoring.result import EXIT_CODES

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
# Two screens.
README_LINES = 96
COMMAND = re.compile(r"^\| `mlops ([a-z]+)", re.MULTILINE)
ROW = re.compile(r"^\| (\d+) \| `([^|]+)` \|", re.MULTILINE)
CODE = re.compile(r"(`+)(.+?)\1(?!`)")
GAP = "…"
IMAGE = re.compile(r"!\[[^]]{20,}\]\(([\w/.-]+)\)")
LARGEST_IMAGE_BYTES = 80_000


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def sections_of(text: str) -> dict[str, str]:
    """The text below each heading of the second level."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_readme_fits_two_screens() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    assert len(text.splitlines()) <= README_LINES
    assert "](docs/images/overview.svg)" in text


def test_the_page_of_commands_has_each_one_in_the_order_of_the_help() -> None:
    sections = sections_of(text_of("commands.md"))
    listed = {title: COMMAND.findall(text) for title, text in sections.items() if COMMAND.search(text)}

    assert listed == {section.title: list(section.commands) for section in SECTIONS.values()}
    assert list(listed) == [section.title for section in SECTIONS.values()]


def test_the_page_of_commands_has_the_completion_of_each_shell() -> None:
    shells = re.findall(r"_MLOPS_COMPLETE=(\w+)_source mlops", text_of("commands.md"))

    assert shells == ["bash", "zsh", "fish"]
    assert all(get_completion_class(shell) for shell in shells)


def test_the_page_of_exit_codes_has_each_error_and_each_verdict() -> None:
    sections = sections_of(text_of("exit-codes.md"))
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, MlopsError)]

    assert sorted(ROW.findall(sections["Errors"])) == sorted((str(kind.exit_code), kind.__name__) for kind in kinds)
    verdicts = {int(code) for code, command in ROW.findall(sections["Results"]) if command == "mlops monitor"}
    assert verdicts == {code for code in EXIT_CODES.values() if code}


def texts_in(node: ast.AST) -> Iterator[str]:
    """The texts of a module, with a gap where a value is filled in."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for child in ast.iter_child_nodes(node):
        yield from texts_in(child)


def test_each_message_of_the_page_of_troubleshooting_is_one_of_the_programs() -> None:
    """First cells of its tables that quote code are messages; gaps stand for what is filled in."""
    sections = sections_of(text_of("troubleshooting.md"))
    cells = [line.split(" | ")[0] for text in sections.values() for line in text.splitlines() if line.startswith("| ")]
    quoted = [found for cell in cells for _, found in CODE.findall(cell) if " " in found.strip()]
    files = [file for package in ROOT.glob("packages/*/src") for file in package.rglob("*.py")]
    known = [" ".join(text.split()) for file in files for text in texts_in(ast.parse(file.read_text(encoding="utf-8")))]

    def is_printed(message: str) -> bool:
        """Whether its fixed parts stand in one text, in this order."""
        parts = [part.strip(" .:`") for part in message.split(GAP)]
        pattern = re.compile(".*".join(map(re.escape, parts)))
        return any(pattern.search(text) for text in known if all(part in text for part in parts))

    assert len(quoted) > 30
    assert [message for message in quoted if not is_printed(message)] == []


def test_each_picture_is_small_described_and_shown() -> None:
    shown = {(page.parent / path).resolve() for page in DOCS.glob("*.md") for path in IMAGE.findall(page.read_text())}
    images = {*(DOCS / "images").iterdir()}

    assert images == shown
    assert [image.name for image in images if image.stat().st_size > LARGEST_IMAGE_BYTES] == []
    ElementTree.parse(DOCS / "images/overview.svg")  # noqa: S314 - our own file

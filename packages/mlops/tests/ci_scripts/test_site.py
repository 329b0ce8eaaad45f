"""The site of docs/: it builds without a warning, and each link in it leads to a page and a heading of the site."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

import pytest

pytest.importorskip("mkdocs", reason="needs `uv sync --group site`")
ROOT = Path(__file__).parents[4]
SETTINGS = ROOT / ".ci/site/mkdocs.yml"
HOOK = SETTINGS.with_name("repository_links.py")
ORIGIN = "https://site.invalid/"
# No pull request's own repository, as on this machine.
OF_CI = ("GITHUB_", "BUILD_")


class Links(HTMLParser):
    """The addresses that a page names, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.anchors: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.addresses |= {values[name] for name in ("href", "src") if name in values and tag != "link"}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}


def build(settings: Path, target: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OF_CI)}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(settings), "-d", str(target)]
    variables["NO_MKDOCS_2_WARNING"] = "1"
    return subprocess.run(command, env=environment | variables, capture_output=True, text=True, check=False)


def test_the_site_builds_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    done = build(SETTINGS, tmp_path)
    assert done.returncode == 0, done.stderr

    pages = {file.relative_to(tmp_path): Links(file.read_text(encoding="utf-8")) for file in tmp_path.rglob("*.html")}
    assert len(pages) > len(list((ROOT / "docs").glob("*.md")))
    outside, broken = set[str](), set[str]()
    for page, links in pages.items():
        for each in links.addresses:
            address = urlsplit(urljoin(f"{ORIGIN}{page.as_posix()}", each))
            if address.netloc != urlsplit(ORIGIN).netloc:
                outside.add(each)
                continue
            file = Path(unquote(address.path).lstrip("/"))
            file = file / "index.html" if (tmp_path / file).is_dir() else file
            if not (tmp_path / file).is_file() or (file in pages and address.fragment not in pages[file].anchors):
                broken.add(f"{page}: {each}")
    assert broken == set()
    # and pages of the repository are read where the template is
    assert any(each.endswith("/blob/HEAD/packages/azureml-emulator/README.md") for each in outside)


def test_broken_links_fail_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# A\n\n[x](other.md) [x](index.md#nothing)\n")
    (tmp_path / HOOK.name).write_text(HOOK.read_text(encoding="utf-8"))
    settings = SETTINGS.read_text(encoding="utf-8").partition("nav:")[0]
    (tmp_path / "mkdocs.yml").write_text(settings.replace("../../docs", "docs"))

    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")

    assert done.returncode == 1
    assert "'other.md'" in done.stderr
    assert "'index.md#nothing'" in done.stderr


def test_links_to_files_of_the_repository_lead_to_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    converted = runpy.run_path(str(HOOK))["on_page_markdown"]
    for name in [*filter(lambda each: each.startswith(OF_CI), os.environ)]:
        monkeypatch.delenv(name)
    text = "[a](../README.md#two-commands) [b](../infra) [c](promote.md)\n```\n[d](../README.md)\n```\n"

    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/churn")
    github = converted(text)
    monkeypatch.setenv("BUILD_REPOSITORY_URI", "https://dev.azure.com/acme/p/_git/churn")
    azure = converted(text)

    base = "https://github.com/acme/churn"
    assert github.splitlines()[0] == (
        f"[a]({base}/blob/HEAD/README.md#two-commands) [b]({base}/tree/HEAD/infra) [c](promote.md)"
    )
    assert github.splitlines()[2] == azure.splitlines()[2] == "[d](../README.md)"
    assert azure.startswith("[a](https://dev.azure.com/acme/p/_git/churn?path=/README.md) ")
    with pytest.raises(FileNotFoundError, match=r"nothing\.md"):
        converted("[x](../nothing.md)")


def test_the_order_of_the_site_lists_every_page() -> None:
    listed = re.findall(r"^ +- ([\w-]+\.md)$", SETTINGS.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(listed) == sorted(PurePosixPath(page).name for page in (ROOT / "docs").glob("*.md"))

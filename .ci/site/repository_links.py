"""A hook of MkDocs: links of docs/ to other files of the repository lead to its git host.

The address is that of the repository whose CI builds the site, on GitHub or Azure DevOps; elsewhere the template's.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = "docs"
# Fenced code, which is kept, or a link out of the folder.
_PART: Final = re.compile(r"^[ ]*```.*?^[ ]*```|\]\((\.\./[^)\s#]*)(#[^)\s]*)?\)", re.MULTILINE | re.DOTALL)
_REPOSITORY: Final = re.compile(r"^repository: (\S+)$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    """The text of a page with the links of the site."""
    return _PART.sub(_replaced, markdown)


def _replaced(match: re.Match[str]) -> str:
    if match[1] is None:
        return match[0]
    path = PurePosixPath(os.path.normpath(f"{FOLDER}/{match[1]}"))
    return f"]({address_of(path, match[2] or '')})"


def address_of(path: PurePosixPath, anchor: str = "") -> str:
    """Where people read a file of the repository. Raises FileNotFoundError for a file that is not there."""
    file = ROOT / path
    if not file.exists():
        raise FileNotFoundError(f"a page of {FOLDER}/ links to {path}, which does not exist")
    if azure := os.environ.get("BUILD_REPOSITORY_URI"):
        return f"{azure}?path=/{path}"
    kind = "tree" if file.is_dir() else "blob"
    return f"{_on_github()}/{kind}/HEAD/{path}{anchor}"


def _on_github() -> str:
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{name}"
    found = _REPOSITORY.search((ROOT / ".template.yml").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(".template.yml names no repository")
    return found[1]

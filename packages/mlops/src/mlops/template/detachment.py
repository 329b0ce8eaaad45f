"""Detaching a fork from upstream's packages: what becomes of each file, as texts. Pure: reads and writes nothing.

A file says itself which of its lines are there for packages/ only, between two comments:

    # packages: begin
    …
    # packages: end

Detaching removes these lines; in pyproject.toml the sources of the packages stand there instead, pinned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FOLDER: Final = "packages"
PYPROJECT: Final = "pyproject.toml"
_BEGIN: Final = re.compile(r"^[ \t]*(?:#|<!--)[ \t]*packages: begin\b.*\n", re.MULTILINE)
_END: Final = re.compile(r"^[ \t]*(?:#|<!--)[ \t]*packages: end\b.*(?:\n|\Z)", re.MULTILINE)
_LINK: Final = re.compile(r"\]\((?:\.\./)*(packages/[^)\s]+)\)")


class UnbalancedBlock(ValueError):
    """A `packages: begin` without its `packages: end`, or the other way round; `line` counts from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}: a block `packages: begin … packages: end` is not closed")
        self.line = line


@dataclass(frozen=True)
class GitPin:
    """The packages come from a tag of a git repository."""

    url: str
    tag: str

    def source(self, folder: str) -> str:
        """The TOML of one package's source for uv."""
        return f'{{ git = "{self.url}", tag = "{self.tag}", subdirectory = "{FOLDER}/{folder}" }}'


@dataclass(frozen=True)
class WheelPin:
    """The packages come from wheels in the repository; `paths` has one per package folder, relative to the root."""

    paths: Mapping[str, str]

    def source(self, folder: str) -> str:
        """The TOML of one package's source for uv."""
        return f'{{ path = "{self.paths[folder]}" }}'


Pin = GitPin | WheelPin


def detached(name: str, text: str, table: str, browse: str) -> str:
    """What becomes of the file `name`: its blocks removed, and links into packages/ led to the address `browse`.

    In pyproject.toml the first block becomes `table`, the packages' pinned sources. Raises UnbalancedBlock.
    """
    replacement = table if name == PYPROJECT else ""
    return _LINK.sub(lambda link: f"]({browse}/{link[1]})", without_blocks(text, replacement))


def sources(distributions: Mapping[str, str], pin: Pin) -> str:
    """The table of pyproject.toml that pins every package; `distributions` has its name for its folder."""
    lines = [f"{distribution} = {pin.source(folder)}" for folder, distribution in distributions.items()]
    return "\n".join(["[tool.uv.sources]", *lines, ""])


def without_blocks(text: str, replacement: str = "") -> str:
    """The text with every block removed, the first one replaced. Raises UnbalancedBlock."""
    kept: list[str] = []
    at = 0
    while begin := _BEGIN.search(text, at):
        end = _END.search(text, begin.end())
        inner = _BEGIN.search(text, begin.end())
        if end is None or (inner is not None and inner.start() < end.start()):
            raise UnbalancedBlock(_line(text, begin.start()))
        kept += [text[at : begin.start()], replacement]
        replacement = ""
        at = end.end()
    if stray := _END.search(text, at):
        raise UnbalancedBlock(_line(text, stray.start()))
    return "".join([*kept, text[at:]])


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1

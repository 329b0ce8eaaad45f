"""The parts of CI files that list stages: each stands between two comments, and follows from the list in project.yml.

A block begins with a line such as `# begin stages: deploy jobs` and ends with `# end stages`; what stands between is
written by `mlops check --fix`. All else in the files is the team's. Pure but for reading the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from textwrap import indent
from typing import Final

from mlops.githost.hosts import HOSTS
from mlops.githost.interface import GitHost
from mlops.settings.stages import StageOrder

_BLOCK: Final = re.compile(
    r"^(?P<indent> *)# begin stages: (?P<kind>[^\n(]*?)(?P<note> \([^\n]*\))?\n(?P<body>(?:.*\n)*?) *# end stages$",
    re.MULTILINE,
)
_BEGIN: Final = re.compile(r"^ *# begin stages: ", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of a CI file: the line of its first comment, and its text as it is and as it should be.

    `written` is None for a kind that nothing writes, or a block without an end.
    """

    file: PurePosixPath
    line: int
    kind: str
    text: str
    written: str | None

    @property
    def is_current(self) -> bool:
        """Whether the block follows from project.yml."""
        return self.text == self.written


def find_blocks(root: Path, order: StageOrder) -> Iterator[Block]:
    """Every block of the project's CI files, in the order of the files."""
    for host, file, text in _texts(root):
        yield from _blocks(host, file, text, order)


def written_files(root: Path, order: StageOrder) -> dict[PurePosixPath, tuple[str, str]]:
    """Path → text as it is and as it should be, of the CI files that do not follow from `order`."""
    found = {}
    for host, file, text in _texts(root):
        after = _BLOCK.sub(lambda block, host=host: _written(host, block, order) or block[0], text)
        if after != text:
            found[file] = (text, after)
    return found


def _texts(root: Path) -> Iterator[tuple[GitHost, PurePosixPath, str]]:
    for host in HOSTS:
        for path in sorted(path for pattern in host.ci_files for path in root.glob(pattern) if path.is_file()):
            yield host, PurePosixPath(path.relative_to(root).as_posix()), path.read_text(encoding="utf-8")


def _blocks(host: GitHost, file: PurePosixPath, text: str, order: StageOrder) -> Iterator[Block]:
    ended = {block.start(): block for block in _BLOCK.finditer(text)}
    for begin in _BEGIN.finditer(text):
        line = text.count("\n", 0, begin.start()) + 1
        block = ended.get(begin.start())
        if block is None:
            yield Block(file, line, "", begin[0], None)
        else:
            yield Block(file, line, block["kind"], block[0], _written(host, block, order))


def _written(host: GitHost, block: re.Match[str], order: StageOrder) -> str | None:
    """A block as it should be; None for a kind that the host does not have."""
    write = host.stage_blocks().get(block["kind"])
    if write is None:
        return None
    body = indent("".join(f"{line}\n" for line in write(order).splitlines()), block["indent"])
    first = f"{block['indent']}# begin stages: {block['kind']}{block['note'] or ''}\n"
    return f"{first}{body}{block['indent']}# end stages"

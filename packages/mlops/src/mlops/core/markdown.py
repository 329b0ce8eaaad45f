"""Text and tables as Markdown. Names and findings come from artefacts and may be hostile: they are shown as text,
never as markup, mention or link.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_MARKUP: Final = re.compile(r"([\\`*_\[\]|~$]|#|^[-+=])")
# Mentions, references and addresses become links whatever is escaped; an invisible joint keeps them text.
_LINKS: Final = re.compile(
    r"(?<=@)(?=\w)|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=#)(?=\d)|(?<=\w)(?=@)|(?<=GH-)(?=\d)", re.IGNORECASE
)
_JOINT: Final = "\u2060"
_LONGEST_TEXT: Final = 300
_INVISIBLE: Final = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def clean(text: str) -> str:
    """Text from artefacts in one line of visible characters, cut at a length that nothing honest exceeds."""
    spaced = "".join(" " if unicodedata.category(mark) in _INVISIBLE else mark for mark in text)
    line = " ".join(spaced.split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 1]}…"


def escape(text: str) -> str:
    """Text as Markdown shows it letter by letter."""
    # Angle brackets as entities: some renderers know no backslash before them.
    entities = html.escape(_LINKS.sub(_JOINT, clean(text)), quote=False)
    return _MARKUP.sub(r"\\\1", entities)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cut_to_bytes(markdown: str, limit: int) -> str:
    """A text in at most `limit` bytes of UTF-8; one that was cut says so at its end."""
    raw = markdown.encode()
    if len(raw) <= limit:
        return markdown
    notice = "\n\n*Shortened: this is as much as the page of a run shows.*\n"
    return raw[: max(0, limit - len(notice.encode()))].decode(errors="ignore") + notice[:limit]

"""Text and tables as Markdown. Names and findings come from artefacts and may be hostile: they are shown as text,
never as markup, mentions or links.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_MARKUP: Final = re.compile(r"([\\`*_\[\]|~$]|#|^[-+=])")
# Escaping does not stop mentions, references and addresses from becoming links; a word joiner does.
_LINKS: Final = re.compile(
    r"(?<=@)(?=\w)|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=#)(?=\d)|(?<=\w)(?=@)|(?<=GH-)(?=\d)", re.IGNORECASE
)
_JOINT: Final = "\u2060"
_LONGEST_TEXT: Final = 300
_INVISIBLE: Final = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def clean(text: str) -> str:
    """Text from artefacts as one line of visible characters, cut at a length that no honest text exceeds."""
    spaced = "".join(" " if unicodedata.category(mark) in _INVISIBLE else mark for mark in text)
    line = " ".join(spaced.split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 1]}…"


def escape(text: str) -> str:
    """Escape text so that Markdown shows it literally."""
    # Angle brackets as entities: some renderers do not support a backslash before them.
    entities = html.escape(_LINKS.sub(_JOINT, clean(text)), quote=False)
    return _MARKUP.sub(r"\\\1", entities)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells are already Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cut_to_bytes(markdown: str, limit: int) -> str:
    """Cut a text to at most `limit` bytes of UTF-8; a cut text says so at its end."""
    raw = markdown.encode()
    if len(raw) <= limit:
        return markdown
    notice = "\n\n*Truncated: this is as much as the summary of a run can show.*\n"
    return raw[: max(0, limit - len(notice.encode()))].decode(errors="ignore") + notice[:limit]

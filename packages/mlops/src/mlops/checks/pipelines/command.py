"""A component's command line: which inputs and outputs it names, and which scripts it runs. Pure."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

NAMED: Final = re.compile(r"\$\{\{\s*(inputs|outputs)\.(\w+)[^{}]*\}\}")
OPTIONAL_PART: Final = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
OPTIONAL_OPEN: Final = "$[["
OPTIONAL_CLOSE: Final = "]]"
SEPARATORS: Final = frozenset({"&&", "||", ";", "|", "&", "(", ")"})
INTERPRETER: Final = re.compile(r"(.*/)?(python[0-9.]*|bash|sh|Rscript)")
# Options after which no script follows, and those that take a value.
WITHOUT_SCRIPT: Final = frozenset({"-c", "-m"})
WITH_VALUE: Final = frozenset({"-W", "-X", "-o", "-O"})
PLACEHOLDER: Final = "placeholder"


@dataclass(frozen=True, slots=True)
class Mention:
    """A `${{inputs.x}}` or `${{outputs.y}}`; `is_guarded` tells whether it stands inside `$[[ ]]`."""

    kind: str
    name: str
    text: str
    is_guarded: bool


def mentions(text: str) -> Iterator[Mention]:
    """Yield every input and output that `text` names."""
    guarded = [(match.start(), match.end()) for match in OPTIONAL_PART.finditer(text)]
    for match in NAMED.finditer(text):
        inside = any(start < match.start() < end for start, end in guarded)
        yield Mention(match.group(1), match.group(2), match.group(0), inside)


def has_open_part(text: str) -> bool:
    """Whether a `$[[` is never closed."""
    return OPTIONAL_OPEN in OPTIONAL_PART.sub("", text)


def scripts(text: str) -> list[str]:
    """Return the script files that the command runs by an interpreter, as written.

    Raises ValueError when quotes are not closed.
    """
    plain = NAMED.sub(PLACEHOLDER, text).replace(OPTIONAL_OPEN, " ").replace(OPTIONAL_CLOSE, " ")
    lines = [line for line in plain.replace("\\\n", " ").splitlines() if not line.lstrip().startswith("#")]
    lexer = shlex.shlex(" ; ".join(lines), posix=True, punctuation_chars=True)
    lexer.commenters = ""
    lexer.whitespace_split = True
    words = list(lexer)
    found = []
    for index, word in enumerate(words):
        begins = index == 0 or words[index - 1] in SEPARATORS or "=" in words[index - 1]
        if begins and INTERPRETER.fullmatch(word) and (script := _script_after(words[index + 1 :])):
            found.append(script)
    return found


def _script_after(words: list[str]) -> str | None:
    skip = False
    for word in words:
        if word in SEPARATORS or word in WITHOUT_SCRIPT:
            return None
        if skip or word.startswith("-"):
            skip = word in WITH_VALUE
            continue
        is_file = PurePosixPath(word).suffix and "$" not in word and not word.startswith("/")
        return word if is_file else None
    return None

"""The words of Dockerfile instructions: quotes, escapes and variables, as Docker's builder reads them. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_]\w*")
_BRACED = re.compile(r"\{([A-Za-z_]\w*)(?:(:?[-+])(.*))?\}", re.DOTALL)


def expand(word: str, variables: Mapping[str, str], escape: str = "\\", *, keep_quotes: bool = False) -> str:
    """A word without its quotes and with its variables. Raises ValueError for a form that Docker has and this has not.

    `escape` is the character of the Dockerfile's escape directive. `keep_quotes` is for the text of here-documents.
    Knows `$X`, `${X}`, `${X:-default}`, `${X-default}`, `${X:+alternative}` and `${X+alternative}`.
    """
    parts: list[str] = []
    at, quote = 0, ""
    while at < len(word):
        letter = word[at]
        if letter in "'\"" and quote in ("", letter) and not keep_quotes:
            quote = "" if quote else letter
        elif letter == escape and quote != "'" and at + 1 < len(word):
            at += 1
            # Between double quotes it escapes only what would mean something there.
            parts.append(word[at] if not quote or word[at] in f'"${escape}' else escape + word[at])
        elif letter == "$" and quote != "'":
            value, at = _variable(word, at, variables, escape)
            parts.append(value)
            continue
        else:
            parts.append(letter)
        at += 1
    if quote:
        raise ValueError(f"the quote {quote} is not closed")
    return "".join(parts)


def _variable(word: str, at: int, variables: Mapping[str, str], escape: str) -> tuple[str, int]:
    """The value of the variable whose `$` stands at `at`, and where the word goes on."""
    plain = _NAME.match(word, at + 1)
    if plain is not None:
        return variables.get(plain[0], ""), plain.end()
    if not word.startswith("{", at + 1):
        return "$", at + 1
    end = _closing(word, at + 1)
    braced = _BRACED.fullmatch(word, at + 1, end)
    if braced is None:
        raise ValueError(f"{word[at:end]} is not one of ${{X}}, ${{X:-default}} and ${{X:+alternative}}")
    name, operator, other = braced[1], braced[2] or "", braced[3] or ""
    value = variables.get(name)
    is_set = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("-") and not is_set:
        return expand(other, variables, escape), end
    if operator.endswith("+"):
        return (expand(other, variables, escape) if is_set else ""), end
    return value or "", end


def _closing(word: str, at: int) -> int:
    depth = 0
    for index in range(at, len(word)):
        depth += {"{": 1, "}": -1}.get(word[index], 0)
        if not depth:
            return index + 1
    raise ValueError(f"{word[at - 1 :]} has no closing brace")

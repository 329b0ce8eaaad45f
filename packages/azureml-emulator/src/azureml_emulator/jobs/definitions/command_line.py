"""The command line of a step: substitutes inputs and outputs, and tells whether it needs a shell. Pure: no I/O.

Azure pastes values into a shell command verbatim. Here a value is split into words and its quotes are honoured in the
same way, but nothing in a value is executed: `; rm -rf x` stays four words.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_REFERENCE = re.compile(r"\$\{\{\s*(inputs|outputs)\.([\w.-]+?)(?:\.path)?\s*\}\}")
_CONTINUATION = re.compile(r"\\\r?\n")
# Outside quotes, a shell does more with each of these than separate words.
_SHELL_CHARACTERS = frozenset("|&;<>()$`*?[]{}~#!\\\n")
_SHELL_IN_DOUBLE_QUOTES = frozenset("$`\\")
_INTERPRETERS = frozenset({"python", "python3"})


@dataclass(frozen=True)
class Reference:
    """One `${{inputs.x}}` or `${{outputs.x}}`; optional inside `$[[ ]]`."""

    side: str
    name: str
    optional: bool


def references(template: str) -> list[Reference]:
    """All references in a command."""
    optional = "".join(_OPTIONAL.findall(template))
    required = _OPTIONAL.sub("", template)
    found = [Reference(side, name, True) for side, name in _REFERENCE.findall(optional)]
    return found + [Reference(side, name, False) for side, name in _REFERENCE.findall(required)]


def substitute(template: str, inputs: Mapping[str, str], outputs: Mapping[str, str], paths: frozenset[str]) -> str:
    """The command with its values. `paths` names the inputs that are paths, which are never split into words.

    Optional parts with an absent input are dropped. Raises KeyError for any other absent name.
    """
    text = _OPTIONAL.sub(lambda match: _optional(match[1], inputs), template)
    done: list[str] = []
    position = 0
    quote = ""
    for match in _REFERENCE.finditer(text):
        quote = _quote_after(text[position : match.start()], quote)
        side, name = match.groups()
        value = inputs[name] if side == "inputs" else outputs[name]
        splits = side == "inputs" and name not in paths
        done += [text[position : match.start()], _quoted(value, quote, splits=splits)]
        position = match.end()
    return "".join([*done, text[position:]]).strip()


def plain_arguments(command: str) -> list[str] | None:
    """The words of `python script.py …` or `python -m module …`; None for any other command."""
    text = _CONTINUATION.sub(" ", command).strip()
    if _needs_shell(text):
        return None
    words = shlex.split(text)
    script = len(words) > 1 and words[1].endswith(".py") and not words[1].startswith("-")
    module = len(words) > 2 and words[1] == "-m"
    return words if words and words[0] in _INTERPRETERS and (script or module) else None


def shell_words(command: str) -> list[str]:
    """The words of a command line as a shell splits them; nothing in it is executed.

    Raises ValueError for a quote that does not end.
    """
    done: list[str] = []
    quote, escaped = "", False
    for character in command:
        if escaped and quote == '"' and character in _SHELL_IN_DOUBLE_QUOTES - {"\\"}:
            # Which shlex keeps escaped.
            done[-1] = character
        else:
            done.append(character)
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return shlex.split("".join(done))


def _optional(part: str, inputs: Mapping[str, str]) -> str:
    required = [name for side, name in _REFERENCE.findall(part) if side == "inputs"]
    return part if all(name in inputs for name in required) else ""


def _quote_after(text: str, quote: str) -> str:
    """The quote that is open after `text`, when `quote` was open before it."""
    escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return quote


def _quoted(value: str, quote: str, *, splits: bool) -> str:
    if quote == '"':
        return re.sub(r'(["\\$`])', r"\\\1", value)
    if quote == "'":
        return value.replace("'", "'\"'\"'")
    return " ".join(shlex.quote(word) for word in _words(value)) if splits else shlex.quote(value)


def _words(value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()


def _needs_shell(text: str) -> bool:
    quote = ""
    for character in text:
        if quote == "'":
            quote = "" if character == "'" else quote
        elif quote == '"':
            if character in _SHELL_IN_DOUBLE_QUOTES:
                return True
            quote = "" if character == '"' else quote
        elif character in "'\"":
            quote = character
        elif character in _SHELL_CHARACTERS:
            return True
    return bool(quote)

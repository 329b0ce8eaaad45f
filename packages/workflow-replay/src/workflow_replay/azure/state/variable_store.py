"""The variables of a job: case-insensitive, secret or read-only, with macros in their values.

The rules are the agent's. Macros in values are expanded before each step, up to 50 deep, and a cycle leaves the value
unchanged. In a text, macros are expanded once, and those of unknown variables stay as written. Secrets are not part of
the process environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from workflow_replay.azure.expressions import CaseInsensitiveDict
from workflow_replay.common.masking import Masks

MAX_DEPTH = 50
_OPENS, _CLOSES = "$(", ")"


class ReadOnly(Exception):
    """A read-only variable was set."""


@dataclass(frozen=True)
class _Variable:
    name: str
    value: str
    secret: bool = False
    read_only: bool = False


class VariableStore:
    """The variables of a job."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._variables: dict[str, _Variable] = {}

    def put(self, name: str, value: str, *, secret: bool = False, read_only: bool = False) -> None:
        """Set a variable; once secret or read-only, it stays so."""
        before = self._variables.get(name.casefold())
        secret = secret or bool(before and before.secret)
        read_only = read_only or bool(before and before.read_only)
        if secret and value:
            self._masks.add(value)
        self._variables[name.casefold()] = _Variable(before.name if before else name, value, secret, read_only)

    def put_all(self, values: Mapping[str, str], *, secret: bool = False, read_only: bool = False) -> None:
        """Set several variables."""
        for name, value in values.items():
            self.put(name, value, secret=secret, read_only=read_only)

    def assign(self, name: str, value: str, *, secret: bool = False, read_only: bool = False) -> None:
        """Set a variable on behalf of a step. Raises ReadOnly."""
        before = self._variables.get(name.casefold())
        if before and before.read_only:
            raise ReadOnly(f"Overwriting readonly variable '{name}' is not permitted.")
        self.put(name, value, secret=secret, read_only=read_only)

    def get(self, name: str) -> str | None:
        """Return the value of a variable with macros expanded, or None."""
        variable = self._variables.get(name.casefold())
        return None if variable is None else self._expanded(variable).value

    def expand(self, text: str) -> str:
        """Return a text with macros expanded."""
        return _expand(text, self.get)

    def environment(self) -> dict[str, str]:
        """Return the environment variables of a step: all variables except secrets, in upper case."""
        expanded = (self._expanded(variable) for variable in self._variables.values())
        return {environment_name(variable.name): variable.value for variable in expanded if not variable.secret}

    def context(self) -> CaseInsensitiveDict:
        """Return the context `variables`."""
        return CaseInsensitiveDict(
            {variable.name: self._expanded(variable).value for variable in self._variables.values()}
        )

    def _expanded(self, variable: _Variable, path_above: tuple[str, ...] = ()) -> _Variable:
        """Return a variable with its macros expanded; unchanged if they form a cycle."""
        if _OPENS not in variable.value:
            return variable
        path = (*path_above, variable.name.casefold())
        secret = variable.secret
        cyclic = False

        def found(name: str) -> str | None:
            nonlocal secret, cyclic
            inner = self._variables.get(name.casefold())
            if inner is None:
                return None
            if inner.name.casefold() in path or len(path) >= MAX_DEPTH:
                cyclic = True
                return None
            expanded = self._expanded(inner, path)
            secret = secret or expanded.secret
            return expanded.value

        value = _expand(variable.value, found)
        if cyclic:
            return variable
        if secret and value:
            self._masks.add(value)
        return replace(variable, value=value, secret=secret)


def environment_name(name: str) -> str:
    """Return the environment variable of a variable: upper case, with `_` for periods and blanks."""
    return name.replace(".", "_").replace(" ", "_").upper()


def _expand(text: str, found: Callable[[str], str | None]) -> str:
    pieces: list[str] = []
    at = 0
    while (start := text.find(_OPENS, at)) >= 0 and (end := text.find(_CLOSES, start)) >= 0:
        value = found(text[start + len(_OPENS) : end])
        if value is None:
            pieces.append(text[at : start + 1])
            at = start + 1
            continue
        pieces += (text[at:start], value)
        at = end + len(_CLOSES)
    pieces.append(text[at:])
    return "".join(pieces)

"""The variables of one job: any case, secret or read-only, with macros in their values, and as an environment.

The rules are the agent's: macros in values are followed anew before each step, at most 50 deep, and a circle leaves the
value as it is; in a text, a macro is replaced once and what it brought is not read again; a name that nobody set stays
as it is written. Secrets are not part of the environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from workflow_replay.azure.expressions import Folded
from workflow_replay.masking import Masks

DEEPEST = 50
_OPENS, _CLOSES = "$(", ")"


class ReadOnly(Exception):
    """A variable that may not be changed."""


@dataclass(frozen=True)
class _Variable:
    name: str
    value: str
    secret: bool = False
    read_only: bool = False


class VariableStore:
    """The variables of one job."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._variables: dict[str, _Variable] = {}

    def put(self, name: str, value: str, *, secret: bool = False, read_only: bool = False) -> None:
        """Set a variable, whatever it was; once secret or read-only, it stays so."""
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
        """Set a variable as a step does. Raises ReadOnly for one that may not be changed."""
        before = self._variables.get(name.casefold())
        if before and before.read_only:
            raise ReadOnly(f"Overwriting readonly variable '{name}' is not permitted.")
        self.put(name, value, secret=secret, read_only=read_only)

    def get(self, name: str) -> str | None:
        """Return a variable's value with its macros followed, or None."""
        variable = self._variables.get(name.casefold())
        return None if variable is None else self._followed(variable).value

    def expand(self, text: str) -> str:
        """Return a text with the macros of known variables replaced."""
        return _replaced(text, self.get)

    def environment(self) -> dict[str, str]:
        """Return what a step's process sees of the variables: all but secrets, in capitals."""
        followed = (self._followed(variable) for variable in self._variables.values())
        return {environment_name(one.name): one.value for one in followed if not one.secret}

    def context(self) -> Folded:
        """Return the variables as expressions see them."""
        return Folded({one.name: self._followed(one).value for one in self._variables.values()})

    def _followed(self, variable: _Variable, above: tuple[str, ...] = ()) -> _Variable:
        """Return a variable with the macros in its value replaced; itself when that has no end."""
        if _OPENS not in variable.value:
            return variable
        path = (*above, variable.name.casefold())
        secret = variable.secret
        endless = False

        def found(name: str) -> str | None:
            nonlocal secret, endless
            inner = self._variables.get(name.casefold())
            if inner is None:
                return None
            if inner.name.casefold() in path or len(path) >= DEEPEST:
                endless = True
                return None
            followed = self._followed(inner, path)
            secret = secret or followed.secret
            return followed.value

        value = _replaced(variable.value, found)
        if endless:
            return variable
        if secret and value:
            self._masks.add(value)
        return replace(variable, value=value, secret=secret)


def environment_name(name: str) -> str:
    """Return the environment variable's name of a variable: capitals, `_` for full stops and blanks."""
    return name.replace(".", "_").replace(" ", "_").upper()


def _replaced(text: str, found: Callable[[str], str | None]) -> str:
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

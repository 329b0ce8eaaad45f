"""What can be wrong with an expression. In which file it stands is left to whoever read it out of one."""

from __future__ import annotations


class ExpressionError(Exception):
    """The expression is none, or cannot be evaluated; the text says why, `line` where if that is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line

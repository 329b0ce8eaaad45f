"""The error of invalid expressions; callers add the file."""

from __future__ import annotations


class ExpressionError(Exception):
    """The expression is invalid or cannot be evaluated; `line` is its line, if known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line

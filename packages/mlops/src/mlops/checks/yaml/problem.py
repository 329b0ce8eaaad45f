"""What a check finds: one line for people, with the file, the line and what to do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong in the project. `file` is relative to the project's root, `line` counts from 1."""

    file: str
    line: int
    message: str
    advice: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}; {self.advice}"

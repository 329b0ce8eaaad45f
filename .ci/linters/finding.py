"""What a linter found."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """`file` counts from the project's folder, `line` from 1 (0: the file as a whole)."""

    tool: str
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.tool}: {self.message}"

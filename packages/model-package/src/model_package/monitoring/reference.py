"""What a window is compared with: the released model on paper. Pure: no I/O but reading a package's documents."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from model_package.baseline import Baseline
from model_package.evaluation import Evaluation
from model_package.package import find_package, read_baseline, read_evaluation, read_schema
from model_package.schema import Schema


@dataclass(frozen=True, slots=True)
class Reference:
    """A package's columns, its training distribution, and what its evaluation found."""

    schema: Schema
    baseline: Baseline
    evaluation: Evaluation

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the package at or below a folder. Raises PackageError."""
        package = find_package(folder)
        return cls(read_schema(package), read_baseline(package), read_evaluation(package))

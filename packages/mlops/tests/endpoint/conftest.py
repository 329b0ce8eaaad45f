"""The tiny model package that these tests deploy, and what its model must answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_package


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package one folder below the model folder, as Azure ML mounts it."""
    return tiny_package.write_package(tmp_path_factory.mktemp("model") / "model_package")


@pytest.fixture(scope="session")
def expected_probability() -> Callable[[float, float, float], float]:
    """The model's answer for one row, computed without ONNX."""
    return lambda age, income, kind: float(tiny_package.expected(np.array([[age, income, kind]], dtype=np.float32))[0])

"""The software environments as the real SDK reads them."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import load_environment

ENVIRONMENTS = Path(__file__).parents[2] / "environments"
NAMES = sorted(file.name.removesuffix(".conda.yml") for file in ENVIRONMENTS.glob("*.conda.yml"))
# pandas is there, because the data collector takes nothing else; scoring itself knows no data frame.
FORBIDDEN_IN_SERVING = {"polars", "mlflow", "mlflow-skinny", "scikit-learn"}


@pytest.mark.parametrize("name", NAMES)
def test_the_environment_loads_with_a_pinned_image_and_its_conda_file(name):
    environment: Any = load_environment(ENVIRONMENTS / f"{name}.yml")

    assert environment.name == f"mlops-{name}"
    assert ":" in environment.image
    assert not environment.image.endswith(":latest")
    assert environment.conda_file["dependencies"][0].startswith("python=3.")


@pytest.mark.skipif("serving" not in NAMES, reason="nothing is served online")
def test_serving_stays_small():
    environment: Any = load_environment(ENVIRONMENTS / "serving.yml")

    packages = {pin.split("==")[0] for pin in environment.conda_file["dependencies"][-1]["pip"]}
    assert not packages & FORBIDDEN_IN_SERVING


def test_the_container_of_granian_has_the_versions_of_the_lock() -> None:
    environment: Any = load_environment(ENVIRONMENTS / "serving.granian.yml")
    lines = (ENVIRONMENTS / environment.build.path / "requirements.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    lock = tomllib.loads((ENVIRONMENTS.parent / "uv.lock").read_text())
    # Some packages have another version for each version of Python.
    locked = {(package["name"], package.get("version")) for package in lock["package"]}

    assert set(pins.items()) <= locked
    assert "granian" in pins
    assert environment.inference_config.scoring_route.path == "/score"

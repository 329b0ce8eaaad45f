"""What an endpoint's process has loaded: the core stays small, whatever the rest of the package needs."""

import json
import subprocess
import sys
from pathlib import Path

import model_package

SOURCES = Path(model_package.__file__).parent
# Whatever an endpoint must not pay for, in time, memory or patches.
HEAVY = {
    "scipy",
    "polars",
    "pandas",
    "matplotlib",
    "mlflow",
    "sklearn",
    "skops",
    "onnx",
    "pydantic",
    "ruamel",
    "jinja2",
}
ENDPOINT = ["model_package.package", "model_package.runtime", "model_package.rows.requests", "model_package.baseline"]
BATCH = [*ENDPOINT, "model_package.rows.files"]


def loaded_after(modules: list[str]) -> set[str]:
    """The top-level names in sys.modules of a fresh interpreter that imported some modules."""
    code = "import importlib, json, sys; [importlib.import_module(each) for each in sys.argv[1:]]"
    code += "; print(json.dumps([each.partition('.')[0] for each in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code, *modules], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_an_endpoint_loads_numpy_and_onnxruntime_and_nothing_heavy():
    loaded = loaded_after(ENDPOINT)

    assert {"numpy", "onnxruntime"} <= loaded
    assert not HEAVY & loaded


def test_batch_scoring_adds_polars_alone():
    assert loaded_after(BATCH) & HEAVY == {"polars"}


def test_reading_measures_needs_the_core_alone():
    assert not loaded_after(["model_package.monitoring.findings"]) & HEAVY


def test_the_version_is_the_distributions():
    text = (SOURCES.parent.parent / "pyproject.toml").read_text()
    assert f'version = "{model_package.__version__}"' in text

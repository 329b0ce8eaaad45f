"""environments/spark.conda.yml has all that Spark steps import and that the runtime of Spark does not bring."""

import json
import subprocess
import sys
from importlib.metadata import requires

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from spark_session import COMPONENTS

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("spark")]
pytest.importorskip("pysail", reason="Spark steps need the emulator's extra: uv sync --group spark")

STEPS = ("validate_data_spark", "prepare_data_spark", "score_batch_spark")
SHIPPED = (*STEPS, "validate_data", "prepare_data", ".", "../endpoints/batch")
# PySpark asks whether cloudpickle is there, beside its own copy.
RUNTIME = {
    "cloudpickle",
    "pyspark-client",
    "pandas",
    "pyarrow",
    "grpcio",
    "grpcio-status",
    "googleapis-common-protos",
    "pyyaml",
}
LOADED = """
import importlib, json, sys
from importlib.metadata import packages_distributions
for name in sys.argv[1].split():
    importlib.import_module(name)
tops = {name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}
print(json.dumps(sorted({each.lower() for top in tops for each in packages_distributions().get(top, [])})))
"""


def with_requirements(names: set[str]) -> set[str]:
    """Return distributions with all that they require here."""
    waiting, found = list(names), set(names)
    while waiting:
        for line in requires(waiting.pop()) or ():
            needed = Requirement(line)
            if needed.name.lower() not in found and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
                found.add(needed.name.lower())
                waiting.append(needed.name)
    return found


def test_it_has_what_the_steps_import():
    conda = yaml.safe_load((COMPONENTS.parent / "environments" / "spark.conda.yml").read_text())
    pinned = {line.partition("==")[0] for line in conda["dependencies"][-1]["pip"]}
    paths = ":".join(str(COMPONENTS / name) for name in SHIPPED)

    words = [sys.executable, "-c", LOADED, " ".join(STEPS)]
    done = subprocess.run(words, env={"PYTHONPATH": paths}, capture_output=True, text=True, check=True)

    allowed = {*map(canonicalize_name, with_requirements(pinned | RUNTIME))}
    assert {*map(canonicalize_name, json.loads(done.stdout))} - allowed == set()

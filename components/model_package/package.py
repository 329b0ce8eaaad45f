"""A model package as a folder: which files it has, how it is found, proven, read and written.

What the documents hold is said by the module of each: schema, baseline, evaluation, golden, provenance.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from model_package.baseline import Baseline, PredictionBins
from model_package.digest import folder_digest
from model_package.documents import Fields, read_json, write_json
from model_package.errors import PackageError
from model_package.evaluation import ONNX, PYFUNC, Evaluation
from model_package.golden import Golden
from model_package.provenance import Provenance
from model_package.schema import Schema
from model_package.tasks import task_of

MODEL_FILE = "model.onnx"
# An MLflow model folder, of a package without ONNX; and the file that makes it one.
PYFUNC_FOLDER = "pyfunc"
MLFLOW_FILE = "MLmodel"
SCHEMA_FILE = "schema.json"
BASELINE_FILE = "baseline.json"
EVALUATION_FILE = "evaluation.json"
GOLDEN_FILE = "golden.json"
PROVENANCE_FILE = "provenance.json"
REPORT_FILE = "report.html"
# The name and version of a model that no workspace knows.
UNREGISTERED = "unregistered"


def find_package(folder: Path) -> Path:
    """Return the one folder at or below `folder` that holds schema.json beside a model: model.onnx or pyfunc/.

    Azure ML keeps the registered folder's name below AZUREML_MODEL_DIR, so the depth is not known beforehand.
    Raises PackageError when there is none, or more than one.
    """
    if not folder.is_dir():
        raise PackageError(f"the model folder {folder} does not exist; give a folder that holds a model package")
    found = sorted(path.parent for path in folder.rglob(SCHEMA_FILE) if _runtimes(path.parent))
    if not found:
        raise PackageError(
            f"no model package below {folder}: expected a folder with {SCHEMA_FILE} beside {MODEL_FILE} or "
            f"{PYFUNC_FOLDER}/; register the output `model_package` of the training pipeline and use that model"
        )
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found)
        raise PackageError(f"more than one model package below {folder}: {names}; register one package per model")
    return found[0]


def runtime_of(package: Path) -> str:
    """Return what runs the package's model. Raises PackageError unless it holds exactly one model."""
    found = _runtimes(package)
    if len(found) == 1:
        return found[0]
    both = f"both {MODEL_FILE} and {PYFUNC_FOLDER}/" if found else f"neither {MODEL_FILE} nor {PYFUNC_FOLDER}/"
    raise PackageError(f"the model package holds {both}: it must hold one model; package it again")


def package_digest(package: Path) -> str:
    """Return "sha256:<hex>" over the names and contents of all files of a package."""
    return folder_digest(package)


def verify(package: Path, expected: str) -> None:
    """Raise PackageError unless the package's digest is `expected` ("sha256:<hex>")."""
    actual = package_digest(package)
    if actual != expected:
        raise PackageError(
            f"the model package in {package} has digest {actual}, but the release promises {expected}: "
            "its files are not those that passed the gates; register and release the package again"
        )


def read_schema(folder: Path) -> Schema:
    """Read the schema.json of a package, or of a folder of rows. Raises PackageError or SchemaError."""
    return Schema.parse(read_json(folder / SCHEMA_FILE), SCHEMA_FILE)


def write_schema(folder: Path, schema: Schema) -> None:
    """Write schema.json into a package, or beside rows."""
    write_json(folder / SCHEMA_FILE, schema.as_document())


def read_baseline(package: Path) -> Baseline:
    """Read baseline.json. Raises PackageError."""
    return Baseline.parse(_fields(package, BASELINE_FILE))


def prediction_bins(package: Path) -> PredictionBins:
    """Return the bins of the baseline's predictions, even ones where there is no baseline. Raises PackageError."""
    baseline = read_baseline(package) if (package / BASELINE_FILE).is_file() else None
    return PredictionBins(baseline, task_of(read_schema(package)).prediction_bins_names)


def read_evaluation(package: Path) -> Evaluation:
    """Read evaluation.json. Raises PackageError."""
    return Evaluation.parse(_fields(package, EVALUATION_FILE))


def read_golden(package: Path) -> Golden:
    """Read golden.json. Raises PackageError."""
    return Golden.parse(_fields(package, GOLDEN_FILE))


def read_provenance(package: Path) -> Provenance:
    """Read provenance.json. Raises PackageError."""
    return Provenance.parse(_fields(package, PROVENANCE_FILE))


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """All documents of a package, as frozen objects. The model itself is opened by runtime.Scorer."""

    schema: Schema
    baseline: Baseline
    evaluation: Evaluation
    golden: Golden
    provenance: Provenance

    @classmethod
    def read(cls, package: Path) -> Self:
        """Read every document of the package in a folder. Raises PackageError or SchemaError."""
        return cls(
            schema=read_schema(package),
            baseline=read_baseline(package),
            evaluation=read_evaluation(package),
            golden=read_golden(package),
            provenance=read_provenance(package),
        )

    def write(self, package: Path) -> None:
        """Write every document into a folder, beside the model. Raises ValueError for a number that is NaN."""
        write_schema(package, self.schema)
        write_json(package / BASELINE_FILE, self.baseline.as_document())
        write_json(package / EVALUATION_FILE, self.evaluation.as_document())
        write_json(package / GOLDEN_FILE, self.golden.as_document())
        write_json(package / PROVENANCE_FILE, self.provenance.as_document())


def _runtimes(package: Path) -> tuple[str, ...]:
    files = {ONNX: package / MODEL_FILE, PYFUNC: package / PYFUNC_FOLDER / MLFLOW_FILE}
    return tuple(name for name, file in files.items() if file.is_file())


def _fields(package: Path, name: str) -> Fields:
    return Fields(read_json(package / name), name)

"""Finds the model package below the model folder and proves that it is the one that was promoted.

The package is opened elsewhere (scorer.py); here its bytes are only located and hashed.
"""

import hashlib
from pathlib import Path

MODEL_FILE = "model.onnx"
SCHEMA_FILE = "schema.json"
DIGEST_PREFIX = "sha256:"
BLOCK_BYTES = 1 << 20


class PackageError(Exception):
    """The model package is missing, ambiguous or not the expected one: the deployment must not start."""


def find_package(model_dir: Path) -> Path:
    """Return the one folder at or below `model_dir` that holds schema.json beside model.onnx.

    Azure ML keeps the registered folder's name below AZUREML_MODEL_DIR, so the depth is not known beforehand.
    Raises PackageError when there is none, or more than one.
    """
    if not model_dir.is_dir():
        raise PackageError(
            f"the model folder {model_dir} does not exist: give the deployment a registered model, "
            "or set AZUREML_MODEL_DIR to a folder that holds a model package"
        )
    found = sorted(path.parent for path in model_dir.rglob(SCHEMA_FILE) if (path.parent / MODEL_FILE).is_file())
    if not found:
        raise PackageError(
            f"no model package below {model_dir}: expected a folder with {MODEL_FILE} and {SCHEMA_FILE}; "
            "register the output `model_package` of the training pipeline and deploy that model"
        )
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(model_dir)) for path in found)
        raise PackageError(f"more than one model package below {model_dir}: {names}; register one package a model")
    return found[0]


def digest_of(package: Path) -> str:
    """Return "sha256:<hex>" over the names and contents of all files in the package."""
    paths = {path.relative_to(package).as_posix().encode(): path for path in package.rglob("*") if path.is_file()}
    listing = hashlib.sha256()
    for name, path in sorted(paths.items()):
        listing.update(b"%s  %s\n" % (_sha256_of(path).encode(), name))
    return DIGEST_PREFIX + listing.hexdigest()


def verify(package: Path, expected: str) -> None:
    """Raise PackageError unless the package's digest is `expected` ("sha256:<hex>")."""
    actual = digest_of(package)
    if actual != expected:
        raise PackageError(
            f"the model package in {package} has digest {actual}, but the release promises {expected}: "
            "its files are not those that passed the gates; register and release the package again"
        )


def _sha256_of(path: Path) -> str:
    content = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            content.update(block)
    return content.hexdigest()

"""Where a model package says that it comes from, as the release that a manifest holds."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from mlops.core.errors import InputError
from mlops.models.package_documents import PROVENANCE_FILE, Provenance, read_document
from mlops.models.registration import ModelVersion
from mlops.settings.measures import Unmeasurable
from mlops.settings.releases import Release
from mlops.settings.stages import StageName
from model_package import package as model_package
from model_package.errors import PackageError
from model_package.schema import Schema

_UNKNOWN = "unknown"


def read_provenance(package: Path) -> Provenance:
    """provenance.json of a package. Raises InputError when there is none that can be read."""
    try:
        return read_document(package, PROVENANCE_FILE, Provenance)
    except Unmeasurable as error:
        raise InputError(f"the provenance of this model is unknown: {error}", "Train and register again.") from error


def read_schema(package: Path) -> Schema:
    """schema.json of a package. Raises InputError when there is none that can be read."""
    try:
        return model_package.read_schema(package)
    except PackageError as error:
        raise InputError(f"the input schema of this model is unknown: {error}", "Train and register again.") from error


def release_of(known: Provenance, model: ModelVersion, source_stage: StageName) -> Release:
    """The release of a package that comes from a stage. Raises InputError for a package without a usable provenance."""
    data = known.data
    source = {
        "stage": source_stage,
        "job": known.job or _UNKNOWN,
        "git_commit": known.git_commit or _UNKNOWN,
        "data": {
            "name": data.name or _UNKNOWN,
            "version": data.version or _UNKNOWN,
            "sha256": data.sha256 or _UNKNOWN,
        },
    }
    identity = {"name": model.name, "version": model.version, "digest": model.digest}
    try:
        return Release.model_validate({"model": identity, "source": source})
    except ValidationError as error:
        reasons = tuple(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        message = f"version {model.version} of model {model.name} cannot be released"
        raise InputError(message, "Train and register again.", reasons) from error

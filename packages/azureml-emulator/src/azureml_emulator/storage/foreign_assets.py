"""What registries of Azure have and this emulator does not: refused by name, with what to do instead.

Registries here begin empty, Microsoft's public ones too, of which only the curated environments are known.
"""

from __future__ import annotations

import re
from typing import Final

from azureml_emulator.kernel.errors import EmulatorError, NotFound, NotModelled
from azureml_emulator.kernel.resource_id import ResourcePath

_PUBLIC: Final = re.compile(r"azureml(-[\w-]+)?|azure-openai(-[\w-]+)?|huggingface|nvidia-ai", re.IGNORECASE)
# What components of Microsoft's registries are for, by their names; the first that matches.
_FAMILIES: Final = (
    (r"(microsoft_azureml_)?rai_", "Responsible AI"),
    (r".*(automl|image_classif|object_detect|instance_segment|text_ner)", "AutoML for images and text"),
    (r".*(fine_?tun|_model_import$|_pipeline$)", "fine-tuning of foundation models"),
    (r"(import|download|register|convert)_", "import of models or data"),
)
_NOUNS: Final = {"components": "component", "models": "model", "environments": "environment", "data": "data asset"}


def is_public(registry: str) -> bool:
    """Whether a registry is one of those that Microsoft shares with everybody."""
    return bool(_PUBLIC.fullmatch(registry))


def missing(path: ResourcePath, text: str) -> EmulatorError:
    """The error for a reference to an asset that is not there, `text` as it was written."""
    if path.scope.kind != "registries":
        return NotFound(f"'{text}' does not exist.", code="ResourceNotFound")
    if is_public(path.scope.name):
        return NotModelled(explanation(path))
    return NotFound(explanation(path), code="ResourceNotFound")


def explanation(path: ResourcePath) -> str:
    """Why a registry lacks an asset, and what to do."""
    kind, name = path.pairs[0]
    noun, registry = _NOUNS.get(kind.lower(), kind), path.scope.name
    remedy = (
        f"register one of this name and version here (`MLClient(credential, registry_name='{registry}')."
        f"{kind}.create_or_update(…)`)"
    )
    if not is_public(registry):
        return (
            f"The {noun} '{name}' is not in the registry '{registry}' of this emulator, which begins empty: {remedy}."
        )
    family = next((says for start, says in _FAMILIES if re.match(start, name, re.IGNORECASE)), "")
    what = f" ({family})" if family and noun == "component" else ""
    return (
        f"The {noun} '{name}'{what} is in the public registry '{registry}' on Azure, which the emulator does not have. "
        f"Run this on Azure, or {remedy} to stand in for it."
    )

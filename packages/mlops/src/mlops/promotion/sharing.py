"""One model version in the registry, where every stage takes its bytes from. Sharing twice is sharing once."""

from __future__ import annotations

from azure.core.exceptions import ResourceNotFoundError

from mlops.azure.clients import WorkspaceClients
from mlops.azure.sdk_output import suppress_output
from mlops.core.errors import PromotionRefused
from mlops.models.package_store import fetch_package
from mlops.settings.releases import Model


def share(clients: WorkspaceClients, model: Model) -> bool:
    """See to it that the registry has the version with its digest; whether it was shared just now.

    Raises PromotionRefused when the registry has other bytes under that version.
    """
    registry = clients.project.settings.registry
    is_new = not _has(clients, model)
    if is_new:
        with suppress_output():
            clients.training.models.share(
                model.name,
                model.version,
                share_with_name=model.name,
                share_with_version=model.version,
                registry_name=registry,
            )
    _, digest = fetch_package(clients.registry, clients.project, model.name, model.version)
    if digest != model.digest:
        raise PromotionRefused(
            f"registry {registry} has version {model.version} of model {model.name} with digest {digest}, "
            f"not {model.digest}",
            "A version never changes there: register a new one (`mlops train`) and promote it.",
        )
    return is_new


def _has(clients: WorkspaceClients, model: Model) -> bool:
    try:
        clients.registry.models.get(model.name, model.version)
    except ResourceNotFoundError:
        return False
    return True

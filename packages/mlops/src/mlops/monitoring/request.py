"""One window of one stage, and everything that decides what measuring it comes to. Reads; changes nothing.

Two commands that mean the same have the same fingerprint: so the second finds the job and the record of the first.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from azure.ai.ml import MLClient

from mlops.azure.collected_data.reading import INPUTS, OUTPUTS
from mlops.azure.collected_data.storage import Collection, find_collections
from mlops.azure.collected_data.window import Window
from mlops.checks.fingerprints import content_digest
from mlops.core.errors import InputError, WorkspaceError
from mlops.core.layout import COMPONENT_FOLDER, MONITOR_PIPELINE_FILE
from mlops.endpoint.view import Live, live_model, observe
from mlops.models.data_asset import DataVersion
from mlops.settings.monitoring import MonitorFile
from mlops.settings.project import Project, Stage
from mlops.settings.stages import StageName


@dataclass(frozen=True)
class MonitoringRequest:
    """What is to be measured: `folder` is where the endpoint collects, None where nothing lies in the window.

    `deployments` are those of the endpoint, the live one first.
    """

    stage_name: StageName
    stage: Stage
    window: Window
    live: Live
    deployments: tuple[str, ...]
    folder: str | None
    files: tuple[str, ...]
    labels: DataVersion | None
    model: str
    fingerprint: str


def find_monitoring_request(
    client: MLClient,
    project: Project,
    stage_name: StageName,
    window: Window,
    rules: MonitorFile,
    labels: DataVersion | None,
) -> MonitoringRequest:
    """Look at a stage. Raises InputError where it runs nothing, WorkspaceError where it collects nothing."""
    stage = project.settings.stage(stage_name)
    live = live_model(client, stage)
    if live is None:
        raise InputError(
            f"{stage_name} runs nothing yet, so there is nothing to watch", f"`mlops deploy --stage {stage_name}`."
        )
    view = observe(client, stage.endpoint)
    deployments = tuple(sorted(view.deployments, key=lambda name: (name != live.deployment, name)))
    folder, files = _collected(client, stage.endpoint, deployments, window)
    model = _reference(project, stage_name, live.version)
    facts = {
        "window": [window.since.isoformat(), window.until.isoformat()],
        "live": [live.deployment, live.version, live.digest],
        "deployments": deployments,
        "files": files,
        "labels": labels.sha256 if labels else None,
        "measuring": rules.measuring.model_dump(),
        "code": content_digest(
            [(name.as_posix(), project.path(name)) for name in (COMPONENT_FOLDER, MONITOR_PIPELINE_FILE)]
        ),
    }
    fingerprint = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return MonitoringRequest(stage_name, stage, window, live, deployments, folder, files, labels, model, fingerprint)


def _collected(
    client: MLClient, endpoint: str, deployments: tuple[str, ...], window: Window
) -> tuple[str | None, tuple[str, ...]]:
    """The endpoint's folder, as a job names it, and the files of the window with their sizes."""
    places: dict[str, list[str]] = {}
    collections = 0
    for deployment in deployments:
        for name in (INPUTS, OUTPUTS):
            for collection in find_collections(client, endpoint, deployment, name):
                collections += 1
                found = [f"{file.name}:{file.size}" for hour in collection.hours(window) for file in hour]
                if found:
                    places.setdefault(_endpoint_folder(collection, deployment, name), []).extend(found)
    if not collections:
        raise WorkspaceError(
            f"the deployments of {endpoint} collect nothing",
            "Restore `data_collector` in endpoints/online/deployment.yml and deploy again.",
        )
    if len(places) > 1:
        raise WorkspaceError(
            f"what {endpoint} collected in this window lies in {len(places)} places: {', '.join(sorted(places))}",
            "Choose a window that begins after the change of `collected_datastore`.",
        )
    folder, files = next(iter(places.items()), (None, []))
    return folder, tuple(sorted(files))


def _endpoint_folder(collection: Collection, deployment: str, name: str) -> str:
    end = f"/{deployment}/{name}"
    if not collection.folder.endswith(end):
        raise WorkspaceError(
            f"the collection {name} of {deployment} lies in {collection.folder}, not in a folder …{end}",
            "Remove the path of the collection from endpoints/online/deployment.yml and deploy again.",
        )
    return f"azureml://datastores/{collection.datastore}/paths/{collection.folder.removesuffix(end)}/"


def _reference(project: Project, stage: StageName, version: str) -> str:
    """How a job of the stage names the model that the stage runs."""
    name = project.settings.model
    if stage == project.order.training:
        return f"azureml:{name}:{version}"
    return f"azureml://registries/{project.settings.registry}/models/{name}/versions/{version}"

"""Which deployments are custom containers, and how they are started on this machine.

An environment with an inference_config is one. Its image is read from a Dockerfile: that of its build context, or the
one that the emulator was started with for the name of the image.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from azureml_emulator.kernel.errors import BadRequest, NotModelled
from azureml_emulator.kernel.resource_id import parse_resource_path
from azureml_emulator.kernel.store import Resource
from azureml_emulator.processes.private_network import has_private_networks
from azureml_emulator.serving.containers.container import (
    Container,
    Mounts,
    Routes,
    command_on_this_machine,
    image_of,
    is_inference_image,
    log_header,
    make_files,
    read_routes,
    runs_inference_server,
)
from azureml_emulator.serving.data_collection.collector_config import REQUEST, RESPONSE, read_collector_config
from azureml_emulator.serving.deployment_plan import DeploymentPlan
from azureml_emulator.serving.servers.revision import Revision, model_variables, passed_on
from azureml_emulator.storage.locator import Locator

_DOCKERFILE = "Dockerfile"
_ROOT = "root"


@dataclass(frozen=True)
class ContainerSource:
    """A custom container before it is made: its routes, the text of its Dockerfile, and the build context."""

    routes: Routes
    dockerfile: str
    context: Path


@dataclass(frozen=True)
class Launch:
    """The process of a container: command, variables, working folder, and how it is reached."""

    command: list[str]
    variables: dict[str, str]
    folder: Path
    container: Container


class Containers:
    """Finds, makes and starts custom containers.

    `images` are Dockerfiles, or their folders, by the name of an image. `client_variables` let a container use the
    emulator as jobs do. With `open_ports` containers may share the network of this machine.
    """

    def __init__(
        self,
        locator: Locator,
        images: Mapping[str, Path],
        client_variables: Mapping[str, str],
        emulator_port: int,
        *,
        open_ports: bool,
    ) -> None:
        self._locator = locator
        self._images = images
        self._client_variables = client_variables
        self._emulator_port = emulator_port
        self._open_ports = open_ports

    def find(self, environment: Resource | None, properties: Mapping[str, Any]) -> ContainerSource | None:
        """The custom container of a deployment; None when it has the inference server. Raises BadRequest."""
        found = environment.properties if environment is not None else {}
        routes = read_routes(found)
        if environment is None or routes is None:
            return None
        source = self._source(environment, found)
        if source is None or runs_inference_server(image_of(source[0], _path())):
            return None
        _refuse_collections(properties)
        if not self._open_ports and not has_private_networks():
            raise NotModelled(
                "A custom container listens on TCP ports of its own choice. This machine cannot give it a network of "
                "its own (Linux can, as root or with user namespaces), so that any local user could send requests to "
                "it. Start the emulator with --open-container-ports to allow that."
            )
        return ContainerSource(routes, *source)

    def make(self, revision: Revision, source: ContainerSource) -> dict[str, Any]:
        """Copy the files of the image. Returns what `launch` needs, without paths of this machine."""
        image = image_of(source.dockerfile, _path())
        copied, not_done = make_files(image, source.context, revision.folder / _ROOT)
        revision.log.write_text(log_header(not_done), encoding="utf-8")
        return {
            "dockerfile": source.dockerfile,
            "copied": copied,
            "routes": source.routes.model_dump(by_alias=True),
        }

    def launch(
        self,
        revision: Revision,
        plan: DeploymentPlan,
        active: Mapping[str, Any],
        names: Mapping[str, str],
    ) -> Launch:
        """The process of a container that was made."""
        made = active["container"]
        image = image_of(made["dockerfile"], _path())
        mount_path = active["request"]["properties"].get("modelMountPath")
        mounts = Mounts(revision.folder / _ROOT, revision.code, revision.models, mount_path)
        places = mounts.places(made["copied"])
        variables = {**passed_on(), **self._client_variables}
        variables |= {name: places.on_this_machine(value) for name, value in image.variables.items()}
        variables |= {**model_variables(revision, active["model"]), **names}
        if active["script"] is not None:
            variables |= {"AML_APP_ROOT": str(revision.code), "AZUREML_ENTRY_SCRIPT": active["script"]}
        variables |= {name: places.on_this_machine(value) for name, value in plan.variables.items()}
        command = command_on_this_machine(image, places, variables["PATH"])
        network = "private" if has_private_networks() else "shared"
        container = Container(Routes.model_validate(made["routes"]), network, self._emulator_port)
        return Launch(command, variables, mounts.folder(image), container)

    def _source(self, environment: Resource, properties: Mapping[str, Any]) -> tuple[str, Path] | None:
        """The Dockerfile of an environment and its build context; None for an image of Microsoft's."""
        build, image = properties.get("build") or {}, properties.get("image") or ""
        if build:
            context = self._locator.build_context(build["contextUri"], parse_resource_path(environment.id).scope)
            name = build.get("dockerfilePath") or _DOCKERFILE
            if ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute():
                raise BadRequest(f"The dockerfile_path '{name}' must be inside the build context.", target="build")
            return _text(context / name, f"The build context has no {name}"), context
        configured = self._images.get(image)
        if configured is not None:
            file = configured / _DOCKERFILE if configured.is_dir() else configured
            return _text(file, f"The emulator was started with --image {image}={configured}, which is not there"), (
                file.parent
            )
        if is_inference_image(image):
            return None
        raise NotModelled(
            f"The emulator does not run the container image '{image}', because it has no containers. It runs the "
            "command of a Dockerfile as a process: give the environment a build context instead of the image, or "
            f"start the emulator with --image '{image}=DOCKERFILE', the Dockerfile that the image was built from, in "
            "the folder that it was built in."
        )


def _text(file: Path, missing: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadRequest(f"{missing}.", target="build") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{file.name} cannot be read as text: {error}.", target="build") from error


def _path() -> str:
    """The PATH of containers: the programs beside the emulator's Python first."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _refuse_collections(properties: Mapping[str, Any]) -> None:
    config = read_collector_config(properties)
    others: Sequence[str] = sorted(set(config.collections) - {REQUEST, RESPONSE}) if config is not None else []
    if others:
        raise NotModelled(
            f"The data_collector of a custom container collects {', '.join(others)}: Azure does not document that its "
            "collector stands beside a custom container. Only its collections request and response, which the endpoint "
            "itself fills, are modelled."
        )

"""What a custom container runs on this machine: its routes, its files, the command and the variables of its process."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.serving.containers.dockerfile import Image, absolute, read_image
from azureml_emulator.serving.containers.files import Places, copy_files
from azureml_emulator.serving.containers.network import Kind

# Where Azure mounts models and code; `model_mount_path` replaces the first one.
MODELS = PurePosixPath("/var/azureml-app/azureml-models")
CODE = PurePosixPath("/var/azureml-app")
_PYTHON = re.compile(r"python(3(\.\d+)?)?")
# Microsoft's images with the inference server, which is what they start.
_INFERENCE_IMAGE = re.compile(r"mcr\.microsoft\.com/azureml/.*inference.*")
_INFERENCE_COMMAND = ("runsvdir", "/var/runit")


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class Route(_Settings):
    """A port of the container, and the path of a request to it."""

    port: int = Field(ge=1, le=65535)
    path: str = Field(pattern=r"^/[!-~]*$")


class Routes(_Settings):
    """Where a container is asked: whether it lives, whether it is ready, and for predictions."""

    liveness_route: Route
    readiness_route: Route
    scoring_route: Route

    @property
    def ports(self) -> list[int]:
        """The ports that it must listen on."""
        return sorted({self.liveness_route.port, self.readiness_route.port, self.scoring_route.port})


@dataclass(frozen=True)
class Container:
    """How the emulator reaches a container: its routes and its network; `emulator_port` exists inside as well."""

    routes: Routes
    network: Kind
    emulator_port: int


def read_routes(properties: Mapping[str, Any]) -> Routes | None:
    """The routes in the document of an environment; None when it is no custom container. Raises BadRequest."""
    given = properties.get("inferenceConfig")
    if not given:
        return None
    try:
        return Routes.model_validate(given)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(["inferenceConfig", *(str(part) for part in wrong["loc"])])
        raise BadRequest(f"{where} of the environment: {wrong['msg']}.", target=where) from error


def runs_inference_server(image: Image) -> bool:
    """Whether the image starts Microsoft's inference server, as those do that only add packages to such an image."""
    return is_inference_image(image.base) and image.command in {(), _INFERENCE_COMMAND}


def is_inference_image(name: str) -> bool:
    """Whether a name is that of Microsoft's images with the inference server."""
    return _INFERENCE_IMAGE.fullmatch(name) is not None


def image_of(dockerfile: str, path: str) -> Image:
    """The image that a Dockerfile makes; `path` is the PATH of this machine. Raises BadRequest."""
    image = read_image(dockerfile, {"PATH": path})
    if not image.command and not runs_inference_server(image):
        raise BadRequest(
            f"The Dockerfile has neither CMD nor ENTRYPOINT, and what its base image '{image.base}' starts is not "
            "known here, where no image is pulled. Add the CMD.",
            target="build",
        )
    return image


def make_files(image: Image, context: Path, root: Path) -> tuple[list[str], tuple[str, ...]]:
    """Copy the files of the image below `root`. Returns the paths of the container there, and what was not done."""
    copied = copy_files(image, context, root)
    ignored = (".dockerignore: not read; COPY takes the files that it excludes as well",)
    not_done = (*image.not_done, *copied.not_done, *(ignored if (context / ".dockerignore").is_file() else ()))
    return [str(path) for path in copied.places], not_done


@dataclass(frozen=True)
class Mounts:
    """The folders of a container on this machine: of its image, of the code, and of the models."""

    root: Path
    code: Path
    models: Path
    mount_path: str | None

    def places(self, copied: Sequence[str]) -> Places:
        """The paths of the container that are elsewhere on this machine."""
        places = {PurePosixPath(path): self.root.joinpath(*PurePosixPath(path).parts[1:]) for path in copied}
        places |= {CODE: self.code, MODELS: self.models}
        if self.mount_path:
            places[absolute(CODE, self.mount_path)] = self.models
        return Places(places)

    def folder(self, image: Image) -> Path:
        """The working folder of the command."""
        return self.root.joinpath(*image.folder.parts[1:])


def command_on_this_machine(image: Image, places: Places, path: str) -> list[str]:
    """The command with the paths and the programs of this machine.

    Python is the emulator's, wherever the image has its own; another program whose path does not exist here is looked
    for on `path`.
    """
    program, *arguments = (places.on_this_machine(word) for word in image.command)
    name = PurePosixPath(program).name
    if program == image.command[0] and "/" in program:
        if _PYTHON.fullmatch(name):
            program = sys.executable
        elif not Path(program).exists():
            program = shutil.which(name, path=path) or program
    elif _PYTHON.fullmatch(program):
        program = sys.executable
    return [program, *arguments]


def log_header(not_done: Sequence[str]) -> str:
    """What is not as in a container, for the log of the deployment."""
    lines = [
        "A custom container as a process of this machine; what its Dockerfile asks for and is not done here:",
        *(f"  {line}" for line in not_done),
        f"  Python is {sys.executable} ({'.'.join(map(str, sys.version_info[:3]))}), with the packages that it has: "
        "install there what the image installs.",
    ]
    return "\n".join(lines) + "\n"

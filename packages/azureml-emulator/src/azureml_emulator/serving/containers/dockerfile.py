"""What a Dockerfile means for a process of this machine: files, variables, folder, command, and what is not done.

The official parser reads the syntax; this file gives the last stage, and the stages that it builds on, their meaning.
Pure: no I/O. What cannot be meant raises BadRequest, which names the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.serving.containers.words import expand

SHELL = ("/bin/sh", "-c")
ROOT = PurePosixPath("/")
_NO_BASE = "scratch"
_SHOWN_CHARACTERS = 100
_SILENT = frozenset({"LABEL", "MAINTAINER", "EXPOSE"})
_URLS = ("http://", "https://", "git@", "ftp://")
_NOT_DONE = {
    "RUN": "not run",
    "USER": "the process runs as the user of the emulator",
    "VOLUME": "no volume is made",
    "HEALTHCHECK": "Azure asks the routes of inference_config instead",
    "STOPSIGNAL": "the process gets SIGTERM",
}


@dataclass(frozen=True)
class CopiedFiles:
    """Files of the build context and where they go; `text` is that of a here-document, whose name is the source."""

    line: int
    sources: tuple[str, ...]
    target: PurePosixPath
    into_folder: bool
    text: str | None = None


@dataclass(frozen=True)
class Image:
    """One stage of a Dockerfile: files, environment variables, working folder, command; `not_done` is for the log.

    `base` is the image that the first of its stages is built from.
    """

    base: str
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: PurePosixPath = ROOT
    copies: tuple[CopiedFiles, ...] = ()
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    shell: tuple[str, ...] = SHELL
    not_done: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """The command of the container; empty when the Dockerfile leaves it to its base."""
        return (*self.entrypoint, *self.arguments)


class _Stage:
    """A stage while its instructions are read. What `$X` may stand for: its ENV, then its build arguments."""

    def __init__(self, image: Image, names: Sequence[str]) -> None:
        self.image = image
        self.names = names
        self.arguments: dict[str, str] = {}

    @property
    def values(self) -> dict[str, str]:
        return {**self.arguments, **self.image.variables}

    def word(self, text: str) -> str:
        return expand(text, self.values)

    def change(self, **changes: Any) -> None:
        self.image = replace(self.image, **changes)

    def note(self, command: Any, why: str) -> None:
        line = f"line {command.start_line}: {_shown(command)}: {why}"
        self.change(not_done=(*self.image.not_done, line))


def read_image(text: str, base_variables: Mapping[str, str]) -> Image:
    """The last stage of a Dockerfile. Raises BadRequest.

    `base_variables` are taken to be those of a base image, such as PATH, which a Dockerfile may extend.
    """
    arguments: dict[str, str] = {}
    stages: dict[str, Image] = {}
    stage: _Stage | None = None
    for command in _parse(text):
        try:
            match command.cmd.upper():
                case "FROM":
                    if stage is not None:
                        stages |= dict.fromkeys(stage.names, stage.image)
                    stage = _begin(command, arguments, stages, base_variables)
                case "ARG" if stage is None:
                    arguments |= _arguments(command.value, arguments, {})
                case name if stage is None:
                    raise ValueError(f"{name} stands before the first FROM")
                case "ARG":
                    stage.arguments |= _arguments(command.value, stage.values, arguments)
                case name:
                    _apply(name, command, stage, stages)
        except ValueError as error:
            message = f"Line {command.start_line} of the Dockerfile cannot be meant here ({_shown(command)}): {error}."
            raise BadRequest(message, target="build") from error
    if stage is None:
        raise BadRequest("The Dockerfile has no FROM.", target="build")
    return stage.image


def _parse(text: str) -> Sequence[Any]:
    # Imported here: the library is in Go and has a runtime of its own, which only custom containers need.
    import dockerfile  # ty: ignore[import-not-found] - a compiled module

    try:
        return dockerfile.parse_string(text)
    except ValueError as error:
        raise BadRequest(f"The Dockerfile cannot be read: {error}.", target="build") from error


def _begin(
    command: Any, arguments: Mapping[str, str], stages: dict[str, Image], base_variables: Mapping[str, str]
) -> _Stage:
    words = command.value
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise ValueError("FROM takes an image, and AS with a name")
    base = expand(words[0], arguments)
    names = [str(sum(name.isdigit() for name in stages)), *(word.lower() for word in words[2:])]
    below = stages.get(base.lower())
    if below is not None:
        return _Stage(below, names)
    stage = _Stage(Image(base, dict(base_variables)), names)
    if base != _NO_BASE:
        stage.note(command, "not pulled; programs are those of this machine")
    return stage


def _apply(name: str, command: Any, stage: _Stage, stages: Mapping[str, Image]) -> None:
    """Take one instruction into the stage. Raises ValueError for one that cannot be meant."""
    words = command.value
    match name:
        case "ENV":
            if not words or len(words) % 2:
                raise ValueError("ENV takes names and values")
            values = stage.values
            given = {key: expand(value, values) for key, value in zip(words[::2], words[1::2], strict=True)}
            stage.change(variables={**stage.image.variables, **given})
        case "WORKDIR":
            stage.change(folder=absolute(stage.image.folder, stage.word(" ".join(words))))
        case "COPY" | "ADD":
            _copy(command, stage, stages)
        case "SHELL" if command.json:
            stage.change(shell=tuple(words))
        case "ENTRYPOINT":
            # A command of the base belongs to the entrypoint of the base.
            stage.change(entrypoint=_command(command, stage.image), arguments=())
        case "CMD":
            stage.change(arguments=_command(command, stage.image))
        case _ if name in _NOT_DONE:
            stage.note(command, _NOT_DONE[name])
        case _ if name not in _SILENT:
            raise ValueError("the instruction is unknown")


def _arguments(words: Sequence[str], values: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
    """What ARG declares; without a value of its own it has that of an ARG before the first FROM."""
    found = {}
    for word in words:
        name, has_value, value = word.partition("=")
        if has_value:
            found[name] = expand(value, values)
        elif name in defaults:
            found[name] = defaults[name]
    return found


def _command(command: Any, image: Image) -> tuple[str, ...]:
    if command.json:
        return tuple(command.value)
    return (*image.shell, " ".join(command.value)) if command.value else ()


def _copy(command: Any, stage: _Stage, stages: Mapping[str, Image]) -> None:
    flags = dict(flag.removeprefix("--").partition("=")[::2] for flag in command.flags)
    *sources, target = (word if command.json else stage.word(word) for word in command.value)
    if not sources:
        raise ValueError("it takes a source and a target")
    origin = flags.get("from")
    if origin is not None:
        if (named := stages.get(stage.word(origin).lower())) is None:
            stage.note(command, "not copied; the image is not pulled")
            return
        _copy_between_stages(command, stage, named, sources, target)
        return
    if any(source.startswith(_URLS) or source.endswith(".git") for source in sources):
        raise ValueError("nothing is downloaded; put the file into the build context")
    texts = {f"<<{each.name}": each.content for each in command.heredocs}
    into_folder = target.endswith("/") or target in {".", ".."} or len(sources) > 1
    whole = absolute(stage.image.folder, target)
    if texts:
        if len(sources) > 1:
            raise ValueError("a here-document must be the only source")
        copies = [CopiedFiles(command.start_line, (sources[0],), whole, into_folder, next(iter(texts.values())))]
    else:
        copies = [CopiedFiles(command.start_line, tuple(sources), whole, into_folder)]
    stage.change(copies=(*stage.image.copies, *copies))


def _copy_between_stages(command: Any, stage: _Stage, named: Image, sources: Sequence[str], target: str) -> None:
    """Copy again what the other stage copied from the build context; what it made by RUN does not exist."""
    whole = absolute(stage.image.folder, target)
    found = []
    for source in sources:
        path = absolute(ROOT, source)
        for copy in named.copies:
            if copy.target == path:
                found.append(replace(copy, target=whole))
            elif copy.target.is_relative_to(path):
                found.append(replace(copy, target=whole / copy.target.relative_to(path)))
    if found:
        stage.change(copies=(*stage.image.copies, *found))
    else:
        stage.note(command, "not copied; the files are made by a RUN")


def absolute(folder: PurePosixPath, path: str) -> PurePosixPath:
    """A path of the container, relative to a folder, without `..`."""
    parts: list[str] = []
    for part in (folder / (path or ".")).parts[1:]:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return ROOT.joinpath(*parts)


def _shown(command: Any) -> str:
    text = " ".join(command.original.split())
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"

"""What a Dockerfile means for a process of this machine: files, variables, folder, command, and what is not done.

The official parser reads the syntax; this file gives the last stage, and the stages that it builds on, their meaning.
Pure: no I/O. What is not supported raises BadRequest, which names the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.serving.containers.words import expand

SHELL = ("/bin/sh", "-c")
ROOT = PurePosixPath("/")
_NO_BASE = "scratch"
_SHOWN_CHARACTERS = 100
# The directives of a Dockerfile are its first lines; a comment or an empty line ends them.
_ESCAPE = re.compile(r"\ufeff?(?:#[ \t]*\w+[ \t]*=.*\n)*?#[ \t]*escape[ \t]*=[ \t]*([`\\])[ \t]*\r?\n", re.IGNORECASE)
_HERE_DOCUMENT = re.compile(r"<<(?P<tabs>-?)(?P<quote>[\"']?)(?P<name>[^\"'<>]+)(?P=quote)")
_SILENT = frozenset({"LABEL", "MAINTAINER", "EXPOSE"})
_URLS = ("http://", "https://", "git@", "ftp://")
_NOT_DONE = {
    "RUN": "not run",
    "USER": "the process runs as the user of the emulator",
    "VOLUME": "no volume is made",
    "HEALTHCHECK": "Azure asks the routes of inference_config instead",
    "STOPSIGNAL": "the process gets SIGTERM",
}
_REFUSED = {"ONBUILD": "it acts in the images that are built on this one; write its instruction there"}


@dataclass(frozen=True)
class CopiedFiles:
    """Files and where they go: of the build context, of another `stage`, or with a `text` of their own.

    The source of a text is its name. `shown` is the instruction, for the log.
    """

    line: int
    shown: str
    sources: tuple[str, ...]
    target: PurePosixPath
    into_folder: bool
    text: str | None = None
    stage: Image | None = None


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

    def __init__(self, image: Image, names: Sequence[str], escape: str) -> None:
        self.image = image
        self.names = names
        self.escape = escape
        self.arguments: dict[str, str] = {}

    @property
    def values(self) -> dict[str, str]:
        return {**self.arguments, **self.image.variables}

    def word(self, text: str, *, keep_quotes: bool = False) -> str:
        return expand(text, self.values, self.escape, keep_quotes=keep_quotes)

    def change(self, **changes: Any) -> None:
        self.image = replace(self.image, **changes)

    def note(self, command: Any, why: str) -> None:
        self.change(not_done=(*self.image.not_done, note(command.start_line, _shown(command), why)))


def read_image(text: str, base_variables: Mapping[str, str]) -> Image:
    """The last stage of a Dockerfile. Raises BadRequest.

    `base_variables` are taken to be those of a base image, such as PATH, which a Dockerfile may extend.
    """
    arguments: dict[str, str] = {}
    stages: dict[str, Image] = {}
    stage: _Stage | None = None
    escape = found[1] if (found := _ESCAPE.match(text)) else "\\"
    for command in _parse(text):
        try:
            match command.cmd.upper():
                case "FROM":
                    if stage is not None:
                        stages |= dict.fromkeys(stage.names, stage.image)
                    stage = _Stage(*_begin(command, arguments, stages, base_variables), escape)
                case "ARG" if stage is None:
                    arguments |= _arguments(command.value, partial(expand, variables=arguments, escape=escape), {})
                case name if stage is None:
                    raise ValueError(f"{name} stands before the first FROM")
                case "ARG":
                    stage.arguments |= _arguments(command.value, stage.word, arguments)
                case name:
                    _apply(name, command, stage, stages)
        except ValueError as error:
            message = f"Line {command.start_line} of the Dockerfile is not supported here ({_shown(command)}): {error}."
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
) -> tuple[Image, list[str]]:
    """What a stage begins with, and its names."""
    words = command.value
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise ValueError("FROM takes an image, and AS with a name")
    base = expand(words[0], arguments)
    if not base:
        raise ValueError("the image has no name, because an ARG before the first FROM has no value")
    names = [str(sum(name.isdigit() for name in stages)), *(word.lower() for word in words[2:])]
    below = stages.get(base.lower())
    if below is not None:
        return below, names
    pulled = note(command.start_line, _shown(command), "not pulled; programs are those of this machine")
    return Image(base, dict(base_variables), not_done=(pulled,) if base != _NO_BASE else ()), names


def _apply(name: str, command: Any, stage: _Stage, stages: Mapping[str, Image]) -> None:
    """Take one instruction into the stage. Raises ValueError for one that is not supported."""
    words = command.value
    match name:
        case "ENV":
            if not words or len(words) % 2:
                raise ValueError("ENV takes names and values")
            given = {key: stage.word(value) for key, value in zip(words[::2], words[1::2], strict=True)}
            stage.change(variables={**stage.image.variables, **given})
        case "WORKDIR":
            stage.change(folder=absolute(stage.image.folder, stage.word(" ".join(words))))
        case "COPY" | "ADD":
            _copy(command, stage, stages)
        case "SHELL" if command.json:
            stage.change(shell=tuple(words))
        case "ENTRYPOINT":
            # A command of the base belongs to the entrypoint of the base.
            stage.change(entrypoint=_command(command, stage), arguments=())
        case "CMD":
            stage.change(arguments=_command(command, stage))
        case _ if name in _NOT_DONE:
            stage.note(command, _NOT_DONE[name])
        case _ if name not in _SILENT:
            raise ValueError(_REFUSED.get(name, "unknown instruction"))


def _arguments(words: Sequence[str], expanded: Callable[[str], str], defaults: Mapping[str, str]) -> dict[str, str]:
    """What ARG declares; without a value of its own it has that of an ARG before the first FROM."""
    found = {}
    for word in words:
        name, has_value, value = word.partition("=")
        if has_value:
            found[name] = expanded(value)
        elif name in defaults:
            found[name] = defaults[name]
    return found


def _command(command: Any, stage: _Stage) -> tuple[str, ...]:
    if command.json:
        return tuple(command.value)
    line = " ".join(command.value)
    if line.startswith("["):
        stage.note(command, "a shell runs it, because it is not JSON, whose texts need double quotes")
    return (*stage.image.shell, line) if line else ()


def _copy(command: Any, stage: _Stage, stages: Mapping[str, Image]) -> None:
    flags = dict(flag.removeprefix("--").partition("=")[::2] for flag in command.flags)
    *sources, target = (word if command.json else stage.word(word) for word in command.value)
    if not sources:
        raise ValueError("it takes a source and a target")
    named: Image | None = None
    origin = flags.get("from")
    if origin is not None and (named := stages.get(stage.word(origin).lower())) is None:
        stage.note(command, "not copied; the image is not pulled")
        return
    if any(source.startswith(_URLS) or source.endswith(".git") for source in sources):
        raise ValueError("nothing is downloaded; put the file into the build context")
    into_folder = target.endswith("/") or target in {".", ".."} or len(sources) > 1
    plan = CopiedFiles(
        command.start_line, _shown(command), (), absolute(stage.image.folder, target), into_folder, stage=named
    )
    written = _here_documents(command, stage) if command.heredocs else {}
    files = tuple(source for word, source in zip(command.value, sources, strict=False) if word not in written)
    copies = [replace(plan, sources=(name,), text=text) for name, text in written.values()]
    stage.change(copies=(*stage.image.copies, *([replace(plan, sources=files)] if files else []), *copies))


def _here_documents(command: Any, stage: _Stage) -> dict[str, tuple[str, str]]:
    """The name and the text of each here-document, by its word. Quotes keep variables, a hyphen drops tabs."""
    contents = {each.name: each.content for each in command.heredocs}
    found = {}
    for word in command.value[:-1]:
        parts = _HERE_DOCUMENT.fullmatch(word)
        if parts is None or parts["name"] not in contents:
            continue
        text = contents[parts["name"]]
        if parts["tabs"]:
            text = re.sub(r"^\t+", "", text, flags=re.MULTILINE)
        found[word] = parts["name"], text if parts["quote"] else stage.word(text, keep_quotes=True)
    return found


def note(line: int, shown: str, why: str) -> str:
    """What is not done, for the log."""
    return f"line {line}: {shown}: {why}"


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

"""The files of both CI systems, and the scripts in them; nothing is judged here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

_SCRIPT_KEYS: Final = frozenset({"run", "script", "bash", "inlineScript", "command"})
_CONDITION_KEYS: Final = frozenset({"if", "condition"})
_EXPRESSION: Final = re.compile(r"\$\{\{.*?\}\}|\$\[.*?\]", re.DOTALL)


@dataclass(frozen=True)
class Script:
    """A script of a step, or a condition, and the line it begins at."""

    file: str
    line: int
    text: str


@dataclass(frozen=True)
class CiFiles:
    """Paths, counted from `root`."""

    root: Path
    workflows: tuple[str, ...]
    actions: tuple[str, ...]
    pipelines: tuple[str, ...]

    @property
    def github(self) -> tuple[str, ...]:
        """What GitHub reads."""
        return (*self.workflows, *self.actions)

    @property
    def every(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.github, *self.pipelines)

    def read(self, file: str) -> str:
        """A file's text."""
        return (self.root / file).read_text(encoding="utf-8")


def find_ci_files(root: Path) -> CiFiles:
    """All files of the CI systems below a project's folder."""
    return CiFiles(
        root,
        workflows=_below(root, ".github/workflows/*.yml"),
        actions=_below(root, ".github/actions/*/action.yml"),
        pipelines=(*_below(root, "azure-pipelines.yml"), *_below(root, ".azuredevops/**/*.yml")),
    )


def as_azure_reads(text: str) -> Any:
    """A pipeline's document as Azure reads it: every scalar is text, whatever it looks like."""
    return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes text only, no objects


def scripts_of(files: CiFiles) -> Iterator[Script]:
    """Every script; expressions in it stand as they are."""
    for file in files.every:
        root = yaml.compose(files.read(file), Loader=yaml.SafeLoader)
        for line, text in _texts(root, _SCRIPT_KEYS):
            if _EXPRESSION.sub("", text).strip():
                yield Script(file, line, text)


def conditions_of(files: CiFiles) -> Iterator[Script]:
    """Every condition of a stage, job or step."""
    for file in files.every:
        root = yaml.compose(files.read(file), Loader=yaml.SafeLoader)
        for line, text in _texts(root, _CONDITION_KEYS):
            yield Script(file, line, text)


def expressions_in(text: str) -> list[str]:
    """The expressions that a CI system would replace before a shell sees the text."""
    return _EXPRESSION.findall(text)


def _below(root: Path, pattern: str) -> tuple[str, ...]:
    return tuple(sorted(path.relative_to(root).as_posix() for path in root.glob(pattern)))


def _texts(node: yaml.Node | None, keys: frozenset[str]) -> Iterator[tuple[int, str]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value in keys and isinstance(value, yaml.ScalarNode):
                yield value.start_mark.line + 1, value.value
            yield from _texts(value, keys)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _texts(item, keys)

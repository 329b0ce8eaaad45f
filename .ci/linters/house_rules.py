"""This project's own rules for CI files: short, without logic, and one command a step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import yaml
from ci_files import CiFiles, expressions_in, scripts_of
from finding import Finding

_TOOL: Final = "house rules"
_LONGEST_FILE: Final = 120
# What a step may call: everything else is logic that belongs where it can be tested.
_COMMANDS: Final = (
    "uv ",
    "npm ci ",
    "python3 -m pip install ",
    "pulumi ",
    ".ci/",
    "exit 1",
)
_BRANCHING: Final = re.compile(r"[\n;|&`]|\$\(")


def broken_yaml(files: CiFiles) -> Iterator[Finding]:
    """Every file that is no YAML; nothing else can be said of it."""
    for file in files.every:
        try:
            yaml.compose(files.read(file), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 0
            yield Finding("yaml", file, line, error.problem or "this is no YAML")


def broken_rules(files: CiFiles) -> Iterator[Finding]:
    """Every place where a rule is broken."""
    for file in files.every:
        count = len(files.read(file).splitlines())
        if count > _LONGEST_FILE:
            yield Finding(_TOOL, file, count, f"{count} lines, more than {_LONGEST_FILE}: split it")
    for script in scripts_of(files):
        text = script.text.strip()
        if not text.startswith(_COMMANDS):
            yield Finding(_TOOL, script.file, script.line, f"`{text.splitlines()[0]}` is none of the commands of CI")
        if _BRANCHING.search(text):
            yield Finding(_TOOL, script.file, script.line, "one command a step: logic belongs into `mlops`")
        if expressions_in(text):
            yield Finding(_TOOL, script.file, script.line, "an expression in a script: hand its value over by `env`")

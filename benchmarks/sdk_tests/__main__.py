"""Plays the SDK's own end-to-end tests against an emulator, one file after the other, and prints a table per file.

    git clone --depth 1 --branch azure-ai-ml_1.35.2 https://github.com/Azure/azure-sdk-for-python
    uv run --with pytest-mock --with mock --with azure-mgmt-msi --with mldesigner --directory benchmarks \
        python -m sdk_tests --sdk …/azure-sdk-for-python/sdk/ml/azure-ai-ml

The branch is the version of azure-ai-ml that is installed here. A name after the options is a part of the path of the
files to play. `--results` keeps a line of JSON per test, and files that are in it already are not played again; without
`--sdk`, their table is printed only. Nothing is left out silently: a test that its own marks skip, that never answered
or that could not be loaded is counted as such, and one that does not apply has its reason.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from sdk_tests.plugin import RESULTS

BENCHMARKS: Final = Path(__file__).resolve().parent.parent
TEST_SECONDS: Final = 120
FILE_SECONDS: Final = 1800
COLUMNS: Final = ("ran", "stored", "failed", "hung", "no file", "skipped", "not loaded")
_MISSING: Final = ("No such file", "FileNotFoundError", "does not exist: tests", "test_configs")


def main() -> int:
    """Play the files, print the table; 0 when nothing failed and nothing hung."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--sdk", type=Path, help="the folder sdk/ml/azure-ai-ml of a checkout of the SDK")
    parser.add_argument("--results", type=Path, help="where the outcomes are kept, by default nowhere")
    parser.add_argument("--reasons", action="store_true", help="print why each test that did not pass did not")
    parser.add_argument("only", nargs="*", help="parts of the paths of the files to play, by default all")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = (arguments.results or Path(folder) / "results.jsonl").resolve()
        if arguments.sdk:
            play(arguments.sdk.resolve(), arguments.only, results, Path(folder))
        outcomes = read(results)
    print(table(outcomes))
    if arguments.reasons:
        print("\n".join(reasons(outcomes)))
    return int(any(kind(each) in {"failed", "hung"} for each in outcomes))


def play(sdk: Path, only: Sequence[str], results: Path, folder: Path) -> None:
    """Play every file of end-to-end tests whose path has one of the parts, or every one."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    played = {each["file"] for each in read(results)}
    files = [file.relative_to(sdk).as_posix() for file in sorted(sdk.glob("tests/**/e2etests/test_*.py"))]
    for file in files:
        if file not in played and (not only or any(part in file for part in only)):
            print(file, flush=True)
            play_file(sdk, file, results, folder / "pytest.ini")


def play_file(sdk: Path, file: str, results: Path, settings: Path) -> None:
    """Play one file in a process of its own, with an emulator of its own."""
    paths = os.pathsep.join([str(BENCHMARKS), str(sdk / "tests"), os.environ.get("PYTHONPATH", "")])
    plugins = [f"-p{name}" for name in ("sdk_tests.plugin", "no:cacheprovider", "no:prefork", "no:xdist")]
    limits = [f"--timeout={TEST_SECONDS}", f"--rootdir={sdk}", "-c", str(settings)]
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-Wignore", *limits, *plugins, file]
    environment = {**os.environ, "PYTHONPATH": paths, RESULTS: str(results)}
    with tempfile.TemporaryDirectory() as folder:
        # The SDK remembers in it which components a workspace has, which another emulator's has not.
        environment["TMPDIR"] = folder
        output = _output(command, sdk, environment)
    if output is not None and not any(each["file"] == file for each in read(results)):
        with results.open("a") as stream:
            stream.write(json.dumps({"test": file, "outcome": "not loaded", "reason": output[-500:]}) + "\n")


def _output(command: Sequence[str], sdk: Path, environment: dict[str, str]) -> str | None:
    """What a run of pytest printed; None when it took too long."""
    try:
        done = subprocess.run(
            command, cwd=sdk, env=environment, timeout=FILE_SECONDS, stdout=subprocess.PIPE, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout


def read(results: Path) -> list[dict[str, Any]]:
    """The last outcome of each test; one that only began never answered."""
    lines = results.read_text().splitlines() if results.exists() else []
    last = {line["test"]: line for line in map(json.loads, lines)}
    return [{**line, "file": line["test"].partition("::")[0]} for line in last.values()]


def kind(outcome: dict[str, Any]) -> str:
    """The column of an outcome."""
    reason = outcome.get("reason", "")
    match outcome["outcome"]:
        case "passed":
            return "ran" if outcome["ran"] else "stored"
        case "began":
            return "hung"
        case "failed" if "Timeout" in reason[:40]:
            return "hung"
        case "failed" if any(each in reason for each in _MISSING[:2]):
            return "no file"
        case other:
            return other


def table(outcomes: Iterable[dict[str, Any]]) -> str:
    """A row per file and one for all."""
    counts: dict[str, Counter[str]] = {}
    for each in outcomes:
        counts.setdefault(each["file"], Counter())[kind(each)] += 1
    rows = [*sorted(counts.items()), ("all", sum(counts.values(), Counter()))]
    lines = ["| file | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [f"| {file} | " + " | ".join(str(row[name]) for name in COLUMNS) + " |" for file, row in rows]
    return "\n".join(lines)


def reasons(outcomes: Iterable[dict[str, Any]]) -> list[str]:
    """A line per test that did not pass."""
    return [
        f"{kind(each)}: {each['test']}: {' '.join(each.get('reason', '').split())[:300]}"
        for each in outcomes
        if kind(each) not in {"ran", "stored"}
    ]


if __name__ == "__main__":
    sys.exit(main())

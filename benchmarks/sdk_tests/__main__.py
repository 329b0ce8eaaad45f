"""Plays the SDK's own end-to-end tests against an emulator, one file after the other, and prints a table per file.

    git clone --depth 1 --branch azure-ai-ml_1.35.2 https://github.com/Azure/azure-sdk-for-python
    uv run --with pytest-mock --with mock --with azure-mgmt-msi --with mldesigner --directory benchmarks \
        python -m sdk_tests --sdk …/azure-sdk-for-python/sdk/ml/azure-ai-ml

The branch is the version of azure-ai-ml that is installed here. A name after the options is a part of the path of the
files to play. `--results` keeps a line of JSON per test, and files that are in it already are not played again; without
`--sdk`, their table is printed only. Nothing is left out silently:

    ran         passed, and a job that it submitted ended, or a deployment that it made served
    stored      passed, with documents and uploads, or with jobs that it cancelled at once
    refused     asks for what the emulator refuses by name (reasons.py)
    failed      anything else that did not pass
    hung        did not end within the limit
    elsewhere   needs what only Azure, Microsoft or the internet has (reasons.py): does not apply
    skipped     by its own marks: does not apply
    no file     wants a file that is not in the checkout; source distributions have no YAML
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
from sdk_tests.reasons import reason_of

BENCHMARKS: Final = Path(__file__).resolve().parent.parent
TEST_SECONDS: Final = 120
FILE_SECONDS: Final = 1800
COLUMNS: Final = ("ran", "stored", "refused", "failed", "hung", "elsewhere", "skipped", "no file", "not loaded")
_MISSING: Final = ("No such file", "files or folders do not exist", "is empty. path or local_path")
_TIMED_OUT: Final = "Failed: Timeout"


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
            command,
            cwd=sdk,
            env=environment,
            timeout=FILE_SECONDS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
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
    if outcome["outcome"] == "passed":
        return "ran" if outcome["ran"] else "stored"
    if outcome["outcome"] in {"skipped", "not loaded"}:
        return outcome["outcome"]
    if known := reason_of(outcome["test"]):
        return known[0]
    reason = outcome.get("reason", "")
    if outcome["outcome"] == "began" or reason.startswith(_TIMED_OUT):
        return "hung"
    return "no file" if any(text in reason for text in _MISSING) else "failed"


def table(outcomes: Iterable[dict[str, Any]]) -> str:
    """A row per file and one for all."""
    counts: dict[str, Counter[str]] = {}
    for each in outcomes:
        counts.setdefault(each["file"], Counter())[kind(each)] += 1
    rows = [*sorted(counts.items()), ("all", sum(counts.values(), Counter()))]
    lines = ["| file | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [f"| {file} | " + " | ".join(str(row[name] or "") for name in COLUMNS) + " |" for file, row in rows]
    return "\n".join(lines)


def reasons(outcomes: Iterable[dict[str, Any]]) -> list[str]:
    """A line per test that did not pass."""
    return [f"{kind(each)}: {each['test']}: {why(each)}" for each in outcomes if kind(each) not in {"ran", "stored"}]


def why(outcome: dict[str, Any]) -> str:
    """The known reason of an outcome, else what the test said."""
    known = reason_of(outcome["test"]) if outcome["outcome"] != "skipped" else None
    return known[1] if known else " ".join(outcome.get("reason", "").split())[:300]


if __name__ == "__main__":
    sys.exit(main())

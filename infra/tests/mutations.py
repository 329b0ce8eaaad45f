"""Plants the mistakes of mistakes.py into copies of the program, one at a time, and shows that the tests catch each.

`uv run python -m tests.mutations` prints the table and ends with 1 when a mistake lives. It is no part of `pytest`,
because a mistake costs a few seconds; the build runs it beside the tests. POSIX only: it forks a warm process.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.mistakes import MUTATIONS, Mutation

FOLDER = Path(__file__).resolve().parent.parent
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "uv.lock")
BESIDE = ("docs", "endpoints")  # what the tests read of the repository around this folder
AT_ONCE = 2
FAILED_TESTS = 1
# Loaded once, before forking: none of it is the program's.
WARM = (
    "pytest",
    "pulumi",
    "azure.ai.ml._restclient.arm_ml_service.models",
    "azure.mgmt.storage.models",
    "azure.mgmt.containerservice.models",
    "azure.mgmt.network.models",
    "azure.mgmt.eventgrid.models",
    "azure.mgmt.logic.models",
    "azure.mgmt.servicebus.models",
    *(
        f"pulumi_azure_native.{name}"
        for name in (
            "alertsmanagement",
            "applicationinsights",
            "authorization",
            "consumption",
            "containerregistry",
            "containerservice",
            "dashboard",
            "eventgrid",
            "keyvault",
            "kubernetesconfiguration",
            "logic",
            "machinelearningservices",
            "managedidentity",
            "monitor",
            "network",
            "operationalinsights",
            "privatedns",
            "resources",
            "servicebus",
            "storage",
        )
    ),
)


@dataclass(frozen=True)
class Verdict:
    """What became of a mistake."""

    mutation: Mutation
    caught_by: str


def surround(place: Path) -> None:
    """Let copies below `place` find what stands beside this folder."""
    for name in BESIDE:
        (place / name).symlink_to(FOLDER.parent / name)


def control(place: Path) -> str:
    """Run all these tests without a mistake. What fails here would prove nothing by failing; empty when none does."""
    copy = place / "control"
    shutil.copytree(FOLDER, copy, ignore=LEFT_OUT)
    return _first_failure(_run(copy, sorted({mutation.test for mutation in MUTATIONS})))


def judge(mutation: Mutation, place: Path) -> Verdict:
    """Plant one mistake into a copy and run the test that should notice; `caught_by` is empty when it lives."""
    copy = place / re.sub(r"\W+", "-", mutation.mistake)
    shutil.copytree(FOLDER, copy, ignore=LEFT_OUT)
    file = copy / mutation.file
    text = file.read_text()
    if text.count(mutation.old) < 1:
        raise LookupError(f"{mutation.file} no longer holds {mutation.old!r}: mend the mutation '{mutation.mistake}'")
    file.write_text(text.replace(mutation.old, mutation.new))
    return Verdict(mutation, _first_failure(_run(copy, [mutation.test])))


def _run(copy: Path, tests: list[str]) -> str:
    report = copy / "report.txt"
    child = os.fork()
    if child == 0:
        _child(copy, tests, report)
    os.waitpid(child, 0)
    return report.read_text()


def _child(copy: Path, tests: list[str], report: Path) -> None:
    import pytest  # loaded already, by warm()

    os.chdir(copy)
    sys.path[:] = [str(copy), *(part for part in sys.path if part not in ("", str(FOLDER)))]
    for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
        del sys.modules[name]
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        code = pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", *(f"tests/{test}" for test in tests)])
    report.write_text(told.getvalue() if code else "")
    os._exit(0)


def _first_failure(report: str) -> str:
    found = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", report, re.MULTILINE)
    return found.group(1) if found else ""


def warm() -> None:
    """Load what every child needs and no mistake touches."""
    for name in WARM:
        module = importlib.import_module(name)
        getattr(module, "no_such_name", None)  # azure-native loads a module when it is first asked for anything


def main() -> int:
    """Judge every mistake; 1 when one lives."""
    warm()
    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(AT_ONCE) as pool:
        surround(Path(place))
        broken = control(Path(place))
        verdicts = list(pool.map(lambda mutation: judge(mutation, Path(place)), MUTATIONS))
    if broken:
        print(f"{broken} fails without any mistake, which proves nothing")
        return 1
    print("| # | mistake | where | caught by |\n|---|---|---|---|")
    for number, verdict in enumerate(verdicts, start=1):
        caught = f"`{verdict.caught_by}`" if verdict.caught_by else "**nothing**"
        print(f"| {number} | {verdict.mutation.mistake} | {verdict.mutation.file} | {caught} |")
    lived = [verdict for verdict in verdicts if not verdict.caught_by]
    print(f"\n{len(verdicts) - len(lived)} of {len(verdicts)} mistakes caught")
    return 1 if lived else 0


if __name__ == "__main__":
    sys.exit(main())

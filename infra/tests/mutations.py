"""Plants the mistakes of mutants.yml in copies of the program, one at a time, and shows that the tests catch each.

`uv run python -m tests.mutations` prints the table and exits with 1 when a mistake survives. It is not a part of
`pytest`, because each mistake takes a few seconds; CI runs it beside the tests. POSIX only: it forks a warm process.
"""

from __future__ import annotations

import contextlib
import gc
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

import yaml

FOLDER = Path(__file__).resolve().parent.parent
IGNORED = shutil.ignore_patterns(".*", "__pycache__", "uv.lock")
UNCHANGED = "unchanged"
AROUND = ("docs", "endpoints", "project.yml", "releases")  # what program and tests read of the repository around them
PARALLEL = 2
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
class Mutation:
    """One mistake: in a file, some text replaced by other text, and the test that should notice."""

    mistake: str
    file: str
    old: str
    new: str
    test: str


@dataclass(frozen=True)
class Verdict:
    """The test that caught a mistake, or "" where it survived."""

    mutation: Mutation
    caught_by: str


def read_mutations() -> tuple[Mutation, ...]:
    """The mistakes of mutants.yml."""
    document = yaml.safe_load(Path(__file__).with_name("mutants.yml").read_text(encoding="utf-8"))
    return tuple(Mutation(**mistake, test=test) for test, mistakes in document.items() for mistake in mistakes)


def link_repository(folder: Path) -> None:
    """Let copies in `folder` find what is around this program."""
    for name in AROUND:
        (folder / name).symlink_to(FOLDER.parent / name)


def prepare(folder: Path) -> None:
    """Make the copy that all others are linked from, and compile its modules once instead of once per mistake."""
    copy = folder / UNCHANGED
    shutil.copytree(FOLDER, copy, ignore=IGNORED)
    _run(copy, ["--collect-only", "tests"])


def control(folder: Path, mutations: tuple[Mutation, ...]) -> str:
    """Run all tests without a mistake; returns the first that fails, or "". What fails here proves nothing below."""
    tests = sorted({mutation.test for mutation in mutations})
    return _first_failure(_run(folder / UNCHANGED, [f"tests/{test}" for test in tests]))


def judge(mutation: Mutation, folder: Path) -> Verdict:
    """Plant one mistake in a copy and run the test that should notice."""
    copy = folder / re.sub(r"\W+", "-", mutation.mistake)
    shutil.copytree(folder / UNCHANGED, copy, copy_function=os.link)
    file = copy / mutation.file
    text = file.read_text()
    if mutation.old not in text:
        raise LookupError(f"{mutation.file} no longer has {mutation.old!r}: update '{mutation.mistake}' in mutants.yml")
    file.unlink()  # the others keep theirs
    file.write_text(text.replace(mutation.old, mutation.new))
    return Verdict(mutation, _first_failure(_run(copy, [f"tests/{mutation.test}"])))


def _run(copy: Path, arguments: list[str]) -> str:
    report = copy.with_name(f"{copy.name}.report")  # beside the copy: what is in it may be linked from another
    child = os.fork()
    if child == 0:
        _child(copy, arguments, report)
    os.waitpid(child, 0)
    return report.read_text()


def _child(copy: Path, arguments: list[str], report: Path) -> None:
    import pytest  # loaded already, by warm()

    os.chdir(copy)
    sys.path[:] = [str(copy), *(part for part in sys.path if part not in ("", str(FOLDER)))]
    for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
        del sys.modules[name]
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", *arguments])
    report.write_text(output.getvalue() if code else "")
    os._exit(0)


def _first_failure(report: str) -> str:
    found = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", report, re.MULTILINE)
    return found.group(1) if found else ""


def warm() -> None:
    """Load what every child needs and no mistake touches."""
    for name in WARM:
        module = importlib.import_module(name)
        getattr(module, "no_such_name", None)  # azure-native loads a module when an attribute is first accessed
    # Collecting garbage in a child would copy all of it.
    gc.freeze()


def main() -> int:
    """Judge every mistake; 1 when one survives."""
    mutations = read_mutations()
    warm()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(PARALLEL) as pool:
        top = Path(folder)
        link_repository(top)
        prepare(top)
        broken = pool.submit(control, top, mutations)
        verdicts = list(pool.map(lambda mutation: judge(mutation, top), mutations))
    if broken.result():
        print(f"{broken.result()} fails without any mistake, so nothing is proven")
        return 1
    print("| # | mistake | file | caught by |\n|---|---|---|---|")
    for number, verdict in enumerate(verdicts, start=1):
        caught = f"`{verdict.caught_by}`" if verdict.caught_by else "**nothing**"
        print(f"| {number} | {verdict.mutation.mistake} | {verdict.mutation.file} | {caught} |")
    survivors = [verdict for verdict in verdicts if not verdict.caught_by]
    print(f"\n{len(verdicts) - len(survivors)} of {len(verdicts)} mistakes caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

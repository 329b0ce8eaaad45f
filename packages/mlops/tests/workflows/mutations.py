"""Applies mutations to copies of the CI files, one at a time, and shows that a linter or a replay catches each.

`uv run python packages/mlops/tests/workflows/mutations.py` prints a table and exits with 1 if a mutation survives. It
is not part of `pytest`, as each mutation takes seconds; CI runs it next to the tests. Needs Linux or macOS.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

ROOT: Final = Path(__file__).parents[4]
FOLDER: Final = "packages/mlops/tests/workflows"
TABLE: Final = Path(__file__).with_name("mutations.yml")
COPIED: Final = (".github", ".azuredevops", "azure-pipelines.yml", ".ci", FOLDER, "pyproject.toml")
IGNORED: Final = shutil.ignore_patterns("__pycache__", "node_modules", "lifecycle")
NODE_MODULES: Final = ".ci/linters/node_modules"
LINTERS: Final = ".ci/linters/lint.py"
PARALLEL: Final = 2
FAILED_TESTS: Final = 1
_REASON: Final = re.compile(r"^(?:E  +|(?=[.\w/-]+:\d+: ))(.*)", re.MULTILINE)
_REASON_WIDTH: Final = 110


@dataclass(frozen=True)
class Mutation:
    """A mutation: in a file, `new` replaces `old`; then `test` fails, and its output contains `says`."""

    title: str
    file: str
    old: str
    new: str
    test: str
    says: str

    @property
    def caught_by(self) -> str:
        """The linter or test that catches it."""
        return f"linter{self.says.rstrip()}".rstrip(":") if self.test == LINTERS else self.test.partition("::")[2]


@dataclass(frozen=True)
class Verdict:
    """Whether a mutation was caught, and the line of output that says so."""

    mutation: Mutation
    is_caught: bool
    line: str


def read_mutations() -> tuple[Mutation, ...]:
    """All mutations of the table."""
    return tuple(Mutation(**entry) for entry in yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def main() -> int:
    """Apply all mutations; return the exit code."""
    mutations = read_mutations()
    with tempfile.TemporaryDirectory(prefix="mutations-") as name, ThreadPoolExecutor(PARALLEL) as pool:
        folder = Path(name)
        unchanged = copy(folder / "unchanged")
        for tests in ([LINTERS], sorted({mutation.test for mutation in mutations} - {LINTERS})):
            done = run(unchanged, tests)
            if done.returncode:
                print(f"there are findings without a mutation:\n{done.stdout}{done.stderr}", file=sys.stderr)
                return 2
        numbered = enumerate(mutations, 1)
        verdicts = list(pool.map(lambda each: apply(folder / str(each[0]), each[1]), numbered))
    for number, verdict in enumerate(verdicts, 1):
        mutation = verdict.mutation
        outcome = f"caught by {mutation.caught_by}" if verdict.is_caught else "SURVIVED"
        print(f"{number:2} {mutation.title} | {mutation.file} | {outcome} | {verdict.line}")
    survivors = sum(not verdict.is_caught for verdict in verdicts)
    print(f"{len(verdicts)} mutations, {len(verdicts) - survivors} caught")
    return 1 if survivors else 0


def apply(root: Path, mutation: Mutation) -> Verdict:
    """Apply one mutation to a copy, and run its test."""
    copy(root)
    file = root / mutation.file
    text = file.read_text(encoding="utf-8")
    if mutation.old not in text:
        return Verdict(mutation, is_caught=False, line=f"{mutation.file} does not contain {mutation.old!r}")
    file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    done = run(root, [mutation.test])
    shutil.rmtree(root)
    lines = [line for line in _REASON.findall(done.stdout) if mutation.says in line]
    line = lines[0].strip()[:_REASON_WIDTH] if lines else done.stdout[-_REASON_WIDTH:]
    return Verdict(mutation, is_caught=done.returncode == FAILED_TESTS and bool(lines), line=line)


def copy(root: Path) -> Path:
    """Copy the CI files, their linters and their tests."""
    for part in COPIED:
        source, target = ROOT / part, root / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=IGNORED)
        else:
            shutil.copy(source, target)
    if (ROOT / NODE_MODULES).is_dir():
        (root / NODE_MODULES).symlink_to(ROOT / NODE_MODULES)
    return root


def run(root: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run tests or the linters in a copy."""
    if list(tests) == [LINTERS]:
        command = [sys.executable, str(root / LINTERS), "--root", str(root)]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    options = ("-n", "0", "-q", "-vv", "-p", "no:cacheprovider", "--override-ini", "pythonpath=")
    command = [sys.executable, "-m", "pytest", *options, *(f"{FOLDER}/{test}" for test in tests)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())

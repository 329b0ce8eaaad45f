"""What is locked is listed and audited whole: nothing is left out without a word."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from locked import LOCKED_PROJECTS, NothingLocked, environment_requirements, project_bill, project_requirements

ROOT = Path(__file__).parents[2]

AUDIT = """#!{python}
import pathlib, sys
arguments = sys.argv[1:]
assert "--strict" in arguments
text = pathlib.Path(arguments[arguments.index("-r") + 1]).read_text()
with open({log!r}, "a") as log:
    print(len([line for line in text.splitlines() if "==" in line]), *arguments, file=log)
sys.exit(1 if {vulnerable!r} in text else 0)
"""


def audit(folder: Path, vulnerable: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the audit with a `pip-audit` that knows one vulnerable package."""
    tool, log = folder / "pip-audit", folder / "log"
    tool.write_text(AUDIT.format(python=sys.executable, log=str(log), vulnerable=vulnerable))
    tool.chmod(0o755)
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, str(ROOT / ".ci" / "supply" / "audit.py"), "--ignore", "GHSA-judged"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done, log.read_text().splitlines()


def _plain(text: str) -> str:
    """Requirements without their extras."""
    return re.sub(r"\[[^]]*\]", "", text)


def test_everything_that_is_installed_anywhere_is_audited(tmp_path: Path) -> None:
    done, calls = audit(tmp_path, "no-such-package==")
    environments = len(list((ROOT / "environments").glob("*.conda.yml")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(calls) == len(LOCKED_PROJECTS) + environments
    assert all(int(call.split()[0]) > 0 and "--ignore-vuln GHSA-judged" in call for call in calls)


def test_a_vulnerability_anywhere_fails_and_the_others_are_audited_still(tmp_path: Path) -> None:
    done, calls = audit(tmp_path, "onnxruntime==")
    assert done.returncode == 1
    assert re.search(r"not clean: project.*environment-batch", done.stdout)
    assert len(calls) > len(LOCKED_PROJECTS)


def test_an_environment_is_listed_with_all_that_its_packages_need() -> None:
    for locked in environment_requirements(ROOT):
        file = ROOT / "environments" / f"{locked.name.removeprefix('environment-')}.conda.yml"
        pins = next(each["pip"] for each in yaml.safe_load(file.read_text())["dependencies"] if isinstance(each, dict))
        named = {re.split(r"[=\[]", pin)[0].lower().replace("_", "-") for pin in pins}
        listed = {each.partition("[")[0] for each in locked.packages}
        assert named <= listed
        assert locked.text.count("--hash=sha256:") > len(named) / 2
        text = _plain(locked.text)
        assert all(_plain(pin) in text for pin in pins)
        assert not any(each.startswith("pytest") for each in locked.packages)
        # Nothing names it: the inference server needs it.
        assert "flask" in locked.packages or locked.name != "environment-serving"


def test_what_runs_is_listed_with_hashes_and_without_the_tools_of_development() -> None:
    bill = json.loads(project_bill(ROOT, "project") or "{}")
    names = {each["name"] for each in bill["components"]}
    assert {"azure-ai-ml", "onnxruntime"} <= names
    assert not names & {"pytest", "ruff", "pip-audit"}
    assert "pytest" in project_requirements(ROOT, "project").packages
    if "infrastructure" in LOCKED_PROJECTS:
        infrastructure = json.loads(project_bill(ROOT, "infrastructure") or "{}")
        assert "pulumi" in {each["name"] for each in infrastructure["components"]}


def test_a_list_of_nothing_is_no_good_news(tmp_path: Path) -> None:
    with pytest.raises(NothingLocked):
        project_requirements(tmp_path, "project")
    command = [
        sys.executable,
        str(ROOT / ".ci" / "supply" / "sbom.py"),
        "--root",
        str(tmp_path),
        "--out",
        str(tmp_path),
    ]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1

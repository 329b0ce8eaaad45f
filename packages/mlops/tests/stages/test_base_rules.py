"""What is judged does not bring its own rules: those from before the change judge it, in real repositories."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.core.errors import ProjectError
from mlops.core.layout import EXTENSION_FOLDER
from mlops.settings.gates import GATES_FILE, catalogue, read_gates
from mlops.settings.policies import read_policy
from mlops.settings.project import load_project, read_project_schema
from mlops.settings.releases import Manifest, Release, manifest_file, write_release
from mlops.stages.release_history import BaseRules, manifest_to_roll_out, policy_to_deploy, rules_at
from model_package.tasks import use_extensions

ROOT = Path(__file__).parents[4]
OWN_GATE = """from model_package.tasks.extensions import GateMeasure

GATES = [GateMeasure(name="own", title="honest", better="higher", function=lambda package, rows: 1.0)]
"""


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "add", "-A", ".")
    git(folder, "commit", "-qm", "change")


def edit(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def put(folder: Path, stage: str, version: str, source: str) -> Release:
    model = {"name": "credit-default", "version": version, "digest": "sha256:" + version * 64}
    data = {"name": "credit-default", "version": "1", "sha256": "b" * 64}
    facts = {"stage": source, "job": "polite_fox_1", "git_commit": "1f" * 20, "data": data}
    found = Release.model_validate({"model": model, "source": facts})
    write_release(manifest_file(folder, stage), found)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The template's rules, and a gate of the fork's own, in a folder of a repository; nothing is released."""
    project = tmp_path / "repository" / "project"
    shutil.copytree(ROOT / "releases", project / "releases", ignore=shutil.ignore_patterns("reports"))
    for name in ("project.yml", "schema.yml"):
        shutil.copy(ROOT / name, project)
    (project / "extensions").mkdir()
    (project / "extensions" / "measures.py").write_text(OWN_GATE)
    git(tmp_path / "repository", "init", "-q", "-b", "main")
    commit(project)
    yield project
    use_extensions(ROOT / EXTENSION_FOLDER)


def rules_before(folder: Path, since: str = "HEAD^1") -> BaseRules:
    return rules_at(load_project(folder), since)


def margin(rules: BaseRules) -> float | None:
    """How far the ROC AUC may drop in staging."""
    root = rules.project.root
    gates = read_gates(root / GATES_FILE, rules.project.order, read_project_schema(root))
    return next(rule.bounds.max_drop for rule in gates.rules_at("staging") if rule.measure == "roc_auc")


def manifest(folder: Path) -> Manifest:
    return manifest_to_roll_out(load_project(folder), "staging")


CHEATS = [
    ("releases/gates.yml", "max_drop: 0.01}", "max_drop: 0.9}", "rules.roc_auc.stages.staging.max_drop 0.01 → 0.9"),
    ("releases/provenance.yml", "statement: required", "statement: optional", "staging.statement required → optional"),
    ("releases/monitor.yml", "max: 0.25", "max: 25", "largest_feature_drift.every_stage.max 0.25 → 25"),
    ("releases/protection.yml", "approvals: 1", "approvals: 2", "github.pull_requests.approvals 1 → 2"),
    ("releases/retraining.yml", "cool_down_hours: 24", "cool_down_hours: 0", "cool_down_hours 24 → 0"),
    ("releases/retirement.yml", "model_days: 30", "model_days: 1", "stages.dev.model_days 30 → 1"),
    ("releases/staging.yml", "    seconds: 5", "    seconds: 0", "rollout.load.seconds 5 → 0"),
    ("project.yml", "credit-default-staging\n", "x-staging\n", "stages.staging.endpoint credit-default-staging → x"),
    ("schema.yml", "slices:", "slices_of_old:", "schema.yml: slices"),
    ("extensions/measures.py", "honest", "forged", "extensions/measures.py"),
]


@pytest.mark.parametrize(("file", "old", "new", "told"), CHEATS, ids=[each[0] for each in CHEATS])
def test_a_rule_that_changes_together_with_a_release_is_named_and_does_not_judge_it(
    file: str, old: str, new: str, told: str, folder: Path
) -> None:
    # given a pull request of two commits, merged as one change
    git(folder, "checkout", "-q", "-b", "sly")
    edit(folder, file, old, new)
    commit(folder)
    put(folder, "staging", "2", "dev")
    commit(folder)
    git(folder, "checkout", "-q", "main")
    git(folder, "merge", "-q", "--no-ff", "-m", "Merge", "sly")

    # when
    rules = rules_before(folder)

    # then it is named with both values, the release is not among them, and the rules are those before it
    assert [each for each in rules.changes if told in each], rules.changes
    assert not [each for each in rules.changes if "release." in each]
    assert margin(rules) == 0.01
    assert read_policy(rules.project.root, rules.project.order).stages["staging"].statement == "required"
    assert rules.project.settings.stage("staging").endpoint == "credit-default-staging"
    # Reading them starts a process: once is enough.
    if file.startswith("extensions/"):
        assert catalogue().title("own") == "honest"


def test_code_that_judges_is_named_wherever_the_project_is(folder: Path) -> None:
    workflow = folder.parent / ".github" / "workflows" / "gate.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text("on: push\n")
    put(folder, "staging", "2", "dev")
    commit(folder.parent)

    assert rules_before(folder).changes == (".github/workflows/gate.yml",)


def test_a_release_alone_changes_no_rule(folder: Path) -> None:
    put(folder, "staging", "2", "dev")
    edit(folder, "releases/gates.yml", "# The gates:", "# These gates:")
    commit(folder)

    rules = rules_before(folder)

    assert rules.changes == ()
    assert margin(rules) == 0.01


def test_rules_of_the_working_tree_do_not_judge_it_either(folder: Path) -> None:
    edit(folder, "releases/gates.yml", "max_drop: 0.01}", "max_drop: 0.9}")
    (folder / "extensions" / "metrics.py").write_text("METRICS = []\n")

    rules = rules_before(folder, "HEAD")

    assert margin(rules) == 0.01
    assert len(rules.changes) == 2
    assert [file.name for file in (rules.project.root / "extensions").iterdir()] == ["measures.py"]


def test_rules_that_come_with_a_change_do_not_judge_it(folder: Path) -> None:
    # given a project whose gates were not committed before
    git(folder, "rm", "-q", "--cached", "releases/gates.yml")
    git(folder, "commit", "-qm", "None")
    commit(folder)

    with pytest.raises(ProjectError, match=r"releases/gates\.yml does not exist at [0-9a-f]{12}, and a change is not"):
        rules_before(folder)


def test_rules_that_cannot_be_read_any_more_judge_nothing(folder: Path) -> None:
    edit(folder, "project.yml", "format: 1", "format: 0")
    commit(folder)
    edit(folder, "project.yml", "format: 0", "format: 1")
    commit(folder)

    with pytest.raises(ProjectError, match="which judge this change, cannot be read"):
        rules_before(folder)


def test_without_history_the_rules_are_those_of_the_files(folder: Path, tmp_path: Path) -> None:
    archive = shutil.copytree(folder, tmp_path / "archive")

    assert rules_before(archive).commit is None
    assert margin(rules_before(archive)) == 0.01


def test_a_rollout_is_judged_by_the_settings_before_its_release(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a release that comes with a looser SLO and without a load test
    put(folder, "staging", "2", "dev")
    edit(folder, "releases/staging.yml", "    seconds: 5", "    seconds: 0")
    edit(folder, "releases/staging.yml", "error_rate: 0.001", "error_rate: 1.0")
    commit(folder)

    found = manifest(folder)

    assert (found.rollout.load.seconds, found.slo.error_rate) == (5, 0.001)
    assert found.release
    assert found.release.model.version == "2"
    told = capsys.readouterr().err
    assert "releases/staging.yml: rollout.load.seconds 5 → 0: changed together with the release" in told
    assert "slo.error_rate 0.001 → 1.0" in told

    # and once they change in a pull request of their own, the new ones count
    edit(folder, "releases/staging.yml", "error_rate: 1.0", "error_rate: 0.002")
    commit(folder)
    assert manifest(folder).slo.error_rate == 0.002
    put(folder, "staging", "3", "dev")
    commit(folder)
    assert (manifest(folder).rollout.load.seconds, manifest(folder).slo.error_rate) == (0, 0.002)


def test_a_release_in_the_working_tree_is_rolled_out_as_it_says(folder: Path) -> None:
    put(folder, "staging", "2", "dev")
    edit(folder, "releases/staging.yml", "    seconds: 5", "    seconds: 1")

    assert manifest(folder).rollout.load.seconds == 1


def test_the_provenance_policy_that_comes_with_a_release_does_not_deploy_it(folder: Path) -> None:
    released = put(folder, "staging", "2", "dev")
    edit(folder, "releases/provenance.yml", "statement: required", "statement: optional")
    commit(folder)
    project = load_project(folder)

    assert policy_to_deploy(project, "staging", released).stages["staging"].statement == "required"

    # and when the policy changes in a pull request of its own, it counts
    edit(folder, "releases/provenance.yml", "commit: merged", "commit: known")
    commit(folder)
    assert policy_to_deploy(project, "staging", released).stages["staging"].statement == "optional"

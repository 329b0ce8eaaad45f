"""The whole way of this project's model, from its data to its last stage: `mlops demo`, and the commands after it."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

from model_package.schema_file import read_schema_file

from .conftest import ROOT, Lifecycle

# One lifecycle for all of them: they share one worker.
pytestmark = pytest.mark.xdist_group("lifecycle")
SCHEMA = read_schema_file(ROOT / "schema.yml")
PROJECT = yaml.safe_load((ROOT / "project.yml").read_text())


SERVES_ONLINE = {each["name"]: "endpoint" in each for each in PROJECT["stages"]}
ONLINE = [name for name, is_online in SERVES_ONLINE.items() if is_online]
online = pytest.mark.skipif(not ONLINE, reason="every stage scores only files")
FILES = [name for name, is_online in SERVES_ONLINE.items() if not is_online]


def stage_names() -> list[str]:
    """The stages of project.yml, in order."""
    return list(SERVES_ONLINE)


def test_every_stage_runs_the_model_that_was_trained(lifecycle: Lifecycle) -> None:
    stages = lifecycle.answer["stages"]

    assert list(stages) == stage_names()
    assert lifecycle.answer["model"]["name"] == PROJECT["model"]
    assert {stage["digest"] for stage in stages.values()} == {lifecycle.answer["model"]["digest"]}
    assert all(stage["traffic"] == {stage["deployment"]: 100} for stage in stages.values())


def test_every_step_of_the_pipeline_is_reported(lifecycle: Lifecycle) -> None:
    steps = yaml.safe_load((ROOT / "pipelines" / "train.yml").read_text())["jobs"]

    assert steps
    assert [step for step in steps if f"{step}: Completed" not in lifecycle.progress] == []


def test_checkout_stays_clean_and_state_private(lifecycle: Lifecycle) -> None:
    command = ["git", "status", "--porcelain"]
    done = subprocess.run(command, cwd=lifecycle.folder, capture_output=True, text=True, check=True)

    assert done.stdout == ""
    assert (lifecycle.folder / ".mlops").stat().st_mode & 0o077 == 0


@online
def test_last_stage_answers_the_sample_request(lifecycle: Lifecycle) -> None:
    answer = lifecycle.document("score", "--stage", ONLINE[-1])
    request = json.loads((ROOT / "endpoints" / "online" / "sample-request.json").read_text())

    assert answer["model"] == PROJECT["model"]
    assert len(answer["predictions"]) == len(request["input_data"])


def test_every_stage_without_an_online_endpoint_scored_a_file(lifecycle: Lifecycle) -> None:
    scored = lifecycle.answer["scored"]

    assert [name for name in scored if name in FILES] == FILES
    assert all(file["status"] == "scored" for name in FILES for file in scored[name]["files"])
    assert all(scored[name]["rows"] > 0 for name in FILES)


def test_status_agrees_with_the_demo(lifecycle: Lifecycle) -> None:
    stages = lifecycle.document("status")["stages"]

    assert list(stages) == stage_names()
    for name, stage in stages.items():
        live = [one["digest"] for one in stage["deployments"] if one["traffic"] == 100]
        assert live == [lifecycle.answer["stages"][name]["digest"]]


def test_history_has_every_release_and_no_broken_record(lifecycle: Lifecycle) -> None:
    stages = lifecycle.document("history")["stages"]

    assert list(stages) == stage_names()
    assert all(stage["records"] for stage in stages.values())
    assert not any(stage["breaks"] or stage["problem"] for stage in stages.values())


@online
def test_a_request_of_another_shape_is_refused_with_its_fields(lifecycle: Lifecycle) -> None:
    sample = json.loads((ROOT / "endpoints" / "online" / "sample-request.json").read_text())
    missing = next((each.name for each in SCHEMA.features if not each.nullable), None)
    if missing:
        del sample["input_data"][0][missing]
    sample["input_data"][0]["a field of nobody"] = 1
    wrong = lifecycle.folder / ".mlops" / "wrong.json"
    wrong.write_text(json.dumps(sample))

    done = lifecycle.mlops("score", "--stage", ONLINE[0], "--file", str(wrong))

    assert done.returncode == 6, done.stderr
    assert "a field of nobody" in done.stderr
    assert (missing or "") in done.stderr

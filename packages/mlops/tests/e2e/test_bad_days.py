"""What goes wrong is told, and nothing is lost: bad data, broken steps, interruptions, broken deployments."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import MLClient

from mlops.azure.workspace import connect
from mlops.core.errors import InputError, JobFailed, RequestRefused, RolloutFailed
from mlops.endpoint.scoring import score
from mlops.endpoint.view import observe
from mlops.models.data_asset import DataVersion, ensure_data
from mlops.models.registered import Lineage, find_version, register
from mlops.rollout.deploy import deploy
from mlops.settings.project import Project
from mlops.training.run import train

from .conftest import PATIENCE_SECONDS, Clone, Lifecycle, make_clone

pytestmark = pytest.mark.xdist_group("e2e")


def versions(client: MLClient) -> list[str]:
    return [str(model.version) for model in client.models.list("credit-default")]


def train_here(client: MLClient, project: Project, data: Path) -> JobFailed:
    with pytest.raises(JobFailed) as caught:
        train(client, project, "dev", data)
    return caught.value


def without_column(text: str) -> str:
    return "\n".join(line.rpartition(",")[0] for line in text.splitlines())


def third_row(pattern: str, replacement: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, replacement, text, flags=re.MULTILINE)


BAD_DATA: list[tuple[str, Callable[[str], str], tuple[str, ...]]] = [
    ("missing column", without_column, ("default", "missing")),
    (
        "wrong type",
        lambda text: re.sub(r"^(3,)\d+", r"\1many", text, flags=re.MULTILINE),
        ("LIMIT_BAL", "integer", "many"),
    ),
    (
        "unknown category",
        lambda text: re.sub(r"^(3,\d+,)\d", r"\g<1>9", text, flags=re.MULTILINE),
        ("SEX", "one of", "9"),
    ),
]


@pytest.mark.parametrize(("spoil", "told"), [case[1:] for case in BAD_DATA], ids=[case[0] for case in BAD_DATA])
def test_bad_data_is_refused_by_name_and_nothing_is_registered(
    client: MLClient,
    lifecycle: Lifecycle,
    tmp_path: Path,
    spoil: Callable[[str], str],
    told: tuple[str, ...],
) -> None:
    # given
    before = versions(client)
    data = tmp_path / "spoiled.csv"
    data.write_text(spoil(lifecycle.data.read_text()))

    # when
    error = train_here(client, lifecycle.clone.project, data)

    # then
    evidence = "\n".join(error.details)
    assert "step validate_data" in error.message
    assert all(word in evidence for word in told), evidence
    assert error.details[0].startswith(f"{data} is rejected")
    assert "is archived" in error.advice
    assert "Not run: prepare_data, train_model, evaluate_model, package_model" in error.advice
    assert versions(client) == before


def test_file_that_is_not_there_is_told_before_anything_starts(client: MLClient, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no-such\.csv does not exist"):
        ensure_data(client, "credit-default", tmp_path / "no-such.csv")


def test_step_that_crashes_is_named_with_the_end_of_its_log(
    client: MLClient, lifecycle: Lifecycle, fork: Clone
) -> None:
    # given
    before = versions(client)
    step = fork.folder / "components/train_model/train_model.py"
    step.write_text("print('so far so good')\nraise MemoryError('no room for the trees')\n")

    # when
    error = train_here(client, fork.project, lifecycle.data)

    # then
    assert "step train_model" in error.message
    assert error.details[-1] == "MemoryError: no room for the trees"
    assert "Not run: evaluate_model, package_model" in error.advice
    assert versions(client) == before


def test_ctrl_c_cancels_the_job_and_registers_nothing(client: MLClient, lifecycle: Lifecycle, fork: Clone) -> None:
    # given a step that would run for an hour
    before = versions(client)
    step = fork.folder / "components/validate_data/validate_data.py"
    step.write_text("import time\nprint('sleeping', flush=True)\ntime.sleep(3600)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "mlops", "train", "--stage", "dev", "--data", str(lifecycle.data)],
        cwd=fork.folder,
        env=os.environ | lifecycle.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    # when
    with process:
        watchdog = threading.Timer(PATIENCE_SECONDS, process.kill)
        watchdog.start()
        assert process.stderr
        said = []
        for line in process.stderr:
            said.append(line)
            if "validate_data: Running" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
        code = process.wait()
        watchdog.cancel()

    # then
    job = next(line for line in said if line.startswith("job ")).split()[1]
    assert code == 130, rest
    assert f"job {job} was cancelled" in rest
    assert "Traceback" not in rest
    assert client.jobs.get(job).status == "Canceled"
    assert versions(client) == before


def lineage(job: str) -> Lineage:
    return Lineage(job, "unknown", DataVersion("credit-default", "1", "0" * 64))


def test_same_digest_is_registered_once(client: MLClient, lifecycle: Lifecycle) -> None:
    before = versions(client)

    model, is_new = register(
        client, "credit-default", lifecycle.first["model"]["digest"], lineage(lifecycle.first["job"]), {}
    )

    assert (model.version, is_new) == ("1", False)
    assert versions(client) == before


def test_two_commits_that_train_at_once_get_two_versions(
    client: MLClient, lifecycle: Lifecycle, tmp_path: Path
) -> None:
    # given
    clones = [make_clone(lifecycle.clone.folder, tmp_path / name, name) for name in ("one", "other")]
    words = ("train", "--stage", "dev", "--data", str(lifecycle.data))

    # when
    with ThreadPoolExecutor() as threads:
        trained = list(threads.map(lambda clone: clone.document(*words, **lifecycle.variables), clones))

    # then
    registered = {result["model"]["version"]: result["model"]["digest"] for result in trained}
    tags = {str(model.version): model.tags["digest"] for model in client.models.list("credit-default")}
    assert len(set(registered.values())) == 2
    assert registered.items() <= tags.items()
    for result in trained:
        reused = {step["name"] for step in result["steps"] if step["reused"]}
        assert reused == {"validate_data", "prepare_data", "train_model", "evaluate_model"}

    # and when both packages are registered in the same moment
    race(client, lifecycle, trained)


def race(client: MLClient, lifecycle: Lifecycle, trained: list[dict[str, Any]]) -> None:
    clients = [connect(lifecycle.clone.project.settings.stage("dev")) for _ in trained]
    together = threading.Barrier(len(trained))

    def run(index: int) -> str:
        result = trained[index]
        together.wait()
        digest = result["model"]["digest"]
        return register(clients[index], "raced", digest, lineage(result["job"]), {"roc_auc": 0.5})[0].version

    with ThreadPoolExecutor() as threads:
        registered = list(threads.map(run, range(len(trained))))

    digests = {str(model.version): model.tags["digest"] for model in client.models.list("raced")}
    assert sorted(registered) == ["1", "2"]
    assert digests == {v: result["model"]["digest"] for v, result in zip(registered, trained, strict=True)}


def test_version_that_is_not_there_is_told(client: MLClient) -> None:
    with pytest.raises(InputError, match="there is no version 99") as refused:
        find_version(client, "credit-default", "99")

    assert "There are: " in refused.value.advice


def test_score_py_that_raises_leaves_the_traffic_where_it_is(
    client: MLClient, lifecycle: Lifecycle, fork: Clone
) -> None:
    # given
    endpoint = lifecycle.first["stages"]["dev"]["endpoint"]
    before = observe(client, endpoint).live
    script = fork.folder / "endpoints/online/score.py"
    script.write_text("def init():\n    raise RuntimeError('no model here')\n\n\ndef run(data):\n    return data\n")

    # when
    with pytest.raises(RolloutFailed) as caught:
        deploy(client, fork.project, "dev", "1")

    # then
    assert f"all traffic is with {before}" in caught.value.message
    assert "RuntimeError: no model here" in "\n".join(caught.value.details)
    assert observe(client, endpoint).live == before
    assert score(client, fork.project, "dev", sample(fork)).reply["model_version"] == "1"


def test_score_py_that_answers_wrongly_gets_no_traffic(client: MLClient, lifecycle: Lifecycle, fork: Clone) -> None:
    # given
    endpoint = lifecycle.first["stages"]["dev"]["endpoint"]
    before = observe(client, endpoint).live
    script = fork.folder / "endpoints/online/score.py"
    reply = '{"predictions": [{"probability": 0.5, "decision": 1}]}'
    script.write_text(f"def init():\n    pass\n\n\ndef run(data):\n    return {reply}\n")

    # when
    with pytest.raises(RolloutFailed, match="golden case 1"):
        deploy(client, fork.project, "dev", "1")

    # then
    assert observe(client, endpoint).live == before


def test_new_configuration_goes_to_the_other_colour_and_the_old_one_is_kept(
    client: MLClient, lifecycle: Lifecycle, fork: Clone
) -> None:
    # given
    before = observe(client, lifecycle.first["stages"]["dev"]["endpoint"]).live
    assert before
    file = fork.folder / "project.yml"
    file.write_text(file.read_text().replace("Standard_DS2_v2", "Standard_DS3_v2", 1))

    # when
    result = deploy(client, fork.project, "dev", "1")

    # then
    assert result.deployment != before
    assert result.traffic == {result.deployment: 100, before: 0}
    assert deploy(client, fork.project, "dev", "1").actions == ()


def sample(clone: Clone) -> bytes:
    return (clone.folder / "endpoints/online/sample-request.json").read_bytes()


@pytest.mark.parametrize(
    ("body", "deployment", "told"),
    [
        (b"{", None, "answered 400"),
        (b'{"input_data": [{"AGE": "old"}]}', None, "answered 400"),
        (b"{}", "purple", "answered 404"),
    ],
    ids=["no JSON", "wrong type", "unknown deployment"],
)
def test_refused_request_tells_what_the_endpoint_says(
    client: MLClient, lifecycle: Lifecycle, body: bytes, deployment: str | None, told: str
) -> None:
    with pytest.raises(RequestRefused, match=told) as caught:
        score(client, lifecycle.clone.project, "dev", body, deployment)

    assert caught.value.advice


def test_refused_request_shows_the_field_and_exits_with_6(lifecycle: Lifecycle, tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_bytes(sample(lifecycle.clone).replace(b'"AGE": 34', b'"AGE": 3'))

    done = lifecycle.clone.mlops("score", "--stage", "dev", "--file", str(request), **lifecycle.variables)

    assert done.returncode == 6
    assert "AGE" in done.stderr


@pytest.mark.usefixtures("client")
def test_stage_without_an_endpoint_is_told(lifecycle: Lifecycle, fork: Clone) -> None:
    # given a stage whose endpoint nobody has made yet
    settings = fork.folder / "project.yml"
    endpoint = lifecycle.clone.project.settings.stage("staging").online_endpoint
    settings.write_text(settings.read_text().replace(f"endpoint: {endpoint}", "endpoint: never-made"))

    # when
    with pytest.raises(RequestRefused, match="no endpoint never-made") as caught:
        score(connect(fork.project.settings.stage("staging")), fork.project, "staging", b"{}")

    # then
    assert "mlops deploy --stage staging" in caught.value.advice

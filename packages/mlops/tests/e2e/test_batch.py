"""Files through the batch endpoint: deployed, scored, fetched; with bad files among them, and killed in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from azure.ai.ml import MLClient

from mlops.audit.record import IMAGE
from mlops.azure.workspace import WorkspaceClients
from mlops.core.errors import PromotionRefused
from mlops.promotion.stage_state import require_job_images

from .conftest import Lifecycle, make_clone

pytestmark = pytest.mark.xdist_group("e2e")

ROWS = 2_000


@pytest.fixture(scope="module")
def deployed(lifecycle: Lifecycle) -> Lifecycle:
    """The clone with its model behind the batch endpoint of dev, twice deployed."""
    deploying = ("deploy", "--stage", "dev", "--batch", "--version", lifecycle.first["model"]["version"])
    first = lifecycle.clone.document(*deploying, **lifecycle.variables)
    again = lifecycle.clone.document(*deploying, **lifecycle.variables)
    assert first["model"]["digest"] == lifecycle.first["model"]["digest"]
    assert len(first["actions"]) == 3
    assert again["actions"] == []
    return lifecycle


@pytest.fixture
def files(lifecycle: Lifecycle, tmp_path: Path) -> Path:
    """Two good files, one that is half-written, and one that lacks a column."""
    rows = pl.read_csv(lifecycle.data).head(ROWS)
    folder = tmp_path / "files"
    (folder / "2026-03").mkdir(parents=True)
    rows.write_csv(folder / "a.csv")
    rows.write_parquet(folder / "2026-03" / "b.parquet")
    whole = (folder / "2026-03" / "b.parquet").read_bytes()
    (folder / "2026-03" / "half.parquet").write_bytes(whole[: len(whole) // 2])
    rows.drop("AGE").write_csv(folder / "young.csv")
    return folder


def test_files_are_scored_by_the_released_model_and_bad_ones_set_aside(
    deployed: Lifecycle, files: Path, tmp_path: Path
) -> None:
    arguments = ("score", "--stage", "dev", "--batch", str(files), "--output", str(tmp_path / "out"))
    # given a call that is killed as soon as its job is started
    command = [sys.executable, "-m", "mlops", *arguments]
    variables = {**os.environ, **deployed.variables}
    with subprocess.Popen(
        command, cwd=deployed.clone.folder, env=variables, stderr=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stderr is not None
        assert killed.stderr.readline().startswith("job ")
        killed.send_signal(signal.SIGKILL)
    # when it is made again
    done = deployed.clone.mlops(*arguments, **deployed.variables)
    # then the good files have predictions, under their own names, made with the model that was released
    assert done.returncode == 1, done.stderr
    names = ("a.csv", "2026-03/b.parquet")
    scored = {name: pl.read_parquet(tmp_path / "out" / f"{name}.scored.parquet") for name in names}
    assert scored["a.csv"].equals(scored["2026-03/b.parquet"])
    assert scored["a.csv"]["ID"].to_list() == list(range(1, ROWS + 1))
    told = pl.read_parquet_metadata(tmp_path / "out" / "a.csv.scored.parquet")
    model = deployed.first["model"]
    assert (told["model_version"], told["model_digest"]) == (model["version"], model["digest"])
    # and the others their reasons, for people and in the list
    assert "half.parquet" in done.stdout
    assert "it lacks the column AGE" in done.stdout
    listed = pl.read_ndjson(tmp_path / "out" / "outcomes.jsonl")
    assert dict(zip(listed["file"], listed["status"], strict=True)) == {
        "2026-03/b.parquet": "scored",
        "2026-03/half.parquet": "set aside",
        "a.csv": "scored",
        "young.csv": "set aside",
    }
    there = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert there == ["2026-03", "a.csv.scored.parquet", "outcomes.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(
            ["--batch", "EMPTY", "--output", "out"], 2, "there are no files to score in", id="an empty folder"
        ),
        pytest.param(["--batch", "nowhere", "--output", "out"], 2, "nowhere does not exist", id="no folder"),
        pytest.param(["--batch", "EMPTY"], 2, "--batch and --output go together", id="no output"),
        pytest.param(
            ["--batch", "x", "--output", "y", "--file", "z"], 2, "--file is for requests", id="a request as well"
        ),
    ],
)
def test_what_cannot_be_scored_is_said_before_anything_is_sent(
    deployed: Lifecycle, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    given = [str(tmp_path / "empty") if word == "EMPTY" else word for word in arguments]

    done = deployed.clone.mlops("score", "--stage", "dev", *given, **deployed.variables)

    assert done.returncode == code, done.stderr
    assert words in done.stderr


def test_a_stage_without_a_batch_endpoint_says_what_to_do(deployed: Lifecycle, files: Path, tmp_path: Path) -> None:
    arguments = ("--batch", str(files), "--output", str(tmp_path / "out"))

    done = deployed.clone.mlops("score", "--stage", "staging", *arguments, **deployed.variables)

    assert done.returncode == 6
    assert "`uv run mlops deploy --stage staging --batch`" in done.stderr


def test_files_that_were_scored_in_other_packages_stop_a_promotion(
    deployed: Lifecycle, client: MLClient, tmp_path: Path
) -> None:
    # given a first stage that scores files in this revision's packages
    fork = make_clone(deployed.clone.folder, tmp_path / "fork")
    clients = WorkspaceClients(fork.project)
    assert client.batch_deployments.get("model-1", fork.project.settings.stage("dev").files_endpoint).tags[IMAGE]
    require_job_images(clients, "staging")

    # when the packages change, under the same version
    conda = fork.folder / "environments" / "batch.conda.yml"
    conda.write_text(conda.read_text().replace("  - pip:\n", "  - pip:\n      - idna==3.10\n"))

    # then nothing goes on before they have run there
    with pytest.raises(PromotionRefused, match="score ran in mlops-batch") as refused:
        require_job_images(clients, "staging")
    assert "`mlops deploy --stage dev --batch`" in refused.value.advice

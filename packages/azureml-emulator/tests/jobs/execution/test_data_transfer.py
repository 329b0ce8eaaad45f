"""Copies between datastores by data_transfer steps, through the unmodified SDK."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import wait_for

pytestmark = pytest.mark.xdist_group("jobs")

ENDED = {"Completed", "Failed", "Canceled"}
COPY = """
type: data_transfer
task: copy_data
name: NAME
version: "1"
inputs: {one: {type: uri_folder}, two: {type: uri_folder}}
outputs: {merged: {type: uri_folder}}
data_copy_mode: MODE
"""


def untyped_pipeline() -> Any:
    """The SDK's decorator, whose types know fewer functions than it takes."""
    from azure.ai.ml.dsl import pipeline

    return pipeline


@pytest.fixture
def merge(ml_client: Any, tmp_path: Path) -> Callable[[str, str], Any]:
    """Copies two folders, of which both have `same.txt`, to an address; the job when it has ended."""
    from azure.ai.ml import Input, Output, load_component

    pipeline = untyped_pipeline()
    for name in ("one", "two"):
        (tmp_path / name / "below").mkdir(parents=True)
        (tmp_path / name / "same.txt").write_text(name)
        (tmp_path / name / "below" / f"{name}.txt").write_text(name)

    def run(mode: str, address: str) -> Any:
        (tmp_path / "copy.yml").write_text(COPY.replace("MODE", mode).replace("NAME", f"copy_{uuid.uuid4().hex[:8]}"))
        copy = load_component(tmp_path / "copy.yml")
        folders = {name: Input(type="uri_folder", path=str(tmp_path / name)) for name in ("one", "two")}

        @pipeline(default_compute="cpu-cluster")
        def transfer() -> dict[str, Any]:
            return {"merged": copy(**folders).outputs.merged}

        job = transfer()
        job.outputs.merged = Output(type="uri_folder", path=address)
        name = ml_client.jobs.create_or_update(job).name
        return wait_for(lambda: job if (job := ml_client.jobs.get(name)).status in ENDED else None)

    return run


def test_folders_are_merged_into_another_datastore(
    ml_client: Any, merge: Callable[[str, str], Any], tmp_path: Path
) -> None:
    from azure.ai.ml.entities import AzureBlobDatastore

    store = AzureBlobDatastore(name=f"other_{uuid.uuid4().hex[:8]}", account_name="any", container_name="other")
    ml_client.datastores.create_or_update(store)

    job = merge("merge_with_overwrite", f"azureml://datastores/{store.name}/paths/to/there/")

    assert job.status == "Completed"
    assert f"/datastores/{store.name}/paths/to/there" in job.outputs["merged"].path
    ml_client.jobs.download(job.name, download_path=tmp_path / "got", output_name="merged")
    found = {file.name: file.read_text() for file in (tmp_path / "got").rglob("*.txt")}
    assert found == {"same.txt": "two", "one.txt": "one", "two.txt": "two"}


def test_a_conflict_fails_the_copy(merge: Callable[[str, str], Any], submitter: Any) -> None:
    job = merge("fail_if_conflict", f"azureml://datastores/workspaceblobstore/paths/{uuid.uuid4().hex}")

    assert job.status == "Failed"
    assert "'same.txt' exists" in submitter.details(job.name)["error"]["error"]["message"]

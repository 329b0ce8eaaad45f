"""Jobs through the unmodified SDK: a pipeline of inline commands, components by file, a single command, MLflow."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import RunningEmulator, wait_for

pytestmark = pytest.mark.xdist_group("jobs")

INLINE = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
display_name: with inline commands
experiment_name: inline
settings:
  default_compute: azureml:cpu-cluster
inputs:
  file: {type: uri_file, path: raw.txt}
  folder: {type: uri_folder, path: lots, mode: download}
  number: 0.25
  count: 3
  flag: true
  words: two words
outputs:
  all_of_it: {type: uri_folder, mode: upload}
  elsewhere: {type: uri_file, path: azureml://datastores/workspaceblobstore/paths/chosen/place.txt}
jobs:
  gather:
    type: command
    command: >-
      cat ${{inputs.file}} ${{inputs.folder}}/* > ${{outputs.text}}/all.txt &&
      echo "${{inputs.number}}|${{inputs.count}}|${{inputs.flag}}|${{inputs.words}}|${{inputs.address}}"
      > ${{outputs.line}}
    environment: {image: busybox}
    inputs:
      file: ${{parent.inputs.file}}
      folder: ${{parent.inputs.folder}}
      number: ${{parent.inputs.number}}
      count: ${{parent.inputs.count}}
      flag: ${{parent.inputs.flag}}
      words: ${{parent.inputs.words}}
      address: {type: uri_folder, path: "azureml://datastores/workspaceblobstore/paths/", mode: direct}
    outputs:
      text: {type: uri_folder}
      line: ${{parent.outputs.elsewhere}}
  measure:
    type: command
    command: wc -c < ${{inputs.text}}/all.txt > ${{outputs.size}}
    environment: {image: busybox}
    inputs: {text: "${{parent.jobs.gather.outputs.text}}"}
    outputs: {size: {type: uri_file}}
  shout:
    type: command
    command: tr a-z A-Z < ${{inputs.text}}/all.txt > ${{outputs.loud}}/all.txt && cat ${{inputs.line}}
    environment: {image: busybox}
    inputs:
      text: ${{parent.jobs.gather.outputs.text}}
      line: ${{parent.jobs.gather.outputs.line}}
    outputs: {loud: "${{parent.outputs.all_of_it}}"}
"""

COMPONENT = """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: tracked_step
version: "1"
display_name: Tracked
command: python track.py --rate ${{inputs.rate}} $[[--seed ${{inputs.seed}}]] --out ${{outputs.out}}
code: ./code
environment: {image: busybox}
inputs:
  rate: {type: number, default: 0.5, min: 0, max: 1}
  seed: {type: integer, optional: true}
outputs:
  out: {type: uri_folder}
"""

TRACK = """
import argparse, pathlib
import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--seed", type=int)
parser.add_argument("--out")
given = parser.parse_args()
with mlflow.start_run():
    mlflow.log_params({"rate": given.rate, "seed": given.seed})
    for step in range(3):
        mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    pathlib.Path(given.out, "made.txt").write_text("made")
    mlflow.log_artifact(str(pathlib.Path(given.out, "made.txt")))
"""

BY_FILE = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
experiment_name: tracked
settings: {default_compute: azureml:cpu-cluster}
outputs: {out: {type: uri_folder}}
jobs:
  first:
    type: command
    component: ./component.yml
    inputs: {rate: 0.75}
    outputs: {out: "${{parent.outputs.out}}"}
"""

COMMAND = """
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: cat ${{inputs.file}} && ls > ${{outputs.listing}}/ls.txt && echo said && exit ${{inputs.code}}
code: code
environment: {image: busybox}
compute: azureml:cpu-cluster
experiment_name: single
inputs:
  code: CODE
  file: {type: uri_file, path: raw.txt}
outputs:
  listing: {type: uri_folder}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "lots").mkdir()
    (tmp_path / "code").mkdir()
    (tmp_path / "raw.txt").write_text("raw\n")
    (tmp_path / "lots" / "a.txt").write_text("one\n")
    (tmp_path / "lots" / "b.txt").write_text("two\n")
    (tmp_path / "code" / "track.py").write_text(TRACK)
    (tmp_path / "component.yml").write_text(COMPONENT)
    return tmp_path


@pytest.fixture
def submit(ml_client: Any, project: Path) -> Callable[[str], Any]:
    """Writes a job's YAML, submits it, waits until it has ended, and returns it."""

    def run(text: str) -> Any:
        from azure.ai.ml import load_job

        (project / "job.yml").write_text(text)
        name = ml_client.jobs.create_or_update(load_job(project / "job.yml")).name
        ended = {"Completed", "Failed", "Canceled"}
        return wait_for(lambda: job if (job := ml_client.jobs.get(name)).status in ended else None)

    return run


def test_a_pipeline_of_inline_commands(
    ml_client: Any, submit: Callable[[str], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # when
    job = submit(INLINE)

    # then it completed, and its steps with it
    children = {child.display_name: child for child in ml_client.jobs.list(parent_job_name=job.name)}
    assert job.status == "Completed"
    assert {name: child.status for name, child in children.items()} == dict.fromkeys(
        ("gather", "measure", "shout"), "Completed"
    )
    # and its outputs can be read in every way
    ml_client.jobs.download(job.name, download_path=tmp_path / "all", all=True)
    named = tmp_path / "all" / "named-outputs"
    assert (named / "all_of_it" / "all.txt").read_text() == "RAW\nONE\nTWO\n"
    line = "0.25|3|True|two words|azureml://datastores/workspaceblobstore/paths/\n"
    assert [file.read_text() for file in (named / "elsewhere").rglob("*") if file.is_file()] == [line]
    assert job.outputs["elsewhere"].path.endswith("/paths/chosen/place.txt")
    assert (tmp_path / "all" / "artifacts" / "logs" / "azureml" / "executionlogs.txt").is_file()
    ml_client.jobs.download(children["measure"].name, download_path=tmp_path / "size", output_name="size")
    sizes = [file.read_text() for file in (tmp_path / "size").rglob("*") if file.is_file()]
    assert [size.strip() for size in sizes] == ["12"]
    # and so can its logs
    ml_client.jobs.download(children["shout"].name, download_path=tmp_path / "log")
    assert line in (tmp_path / "log" / "artifacts" / "user_logs" / "std_log.txt").read_text()
    capsys.readouterr()
    ml_client.jobs.stream(job.name)
    assert job.name in capsys.readouterr().out
    assert ml_client.jobs.get(children["shout"].name).status == "Completed"
    assert ml_client.jobs.show_services(job.name)


def test_a_job_is_renamed_archived_and_restored(ml_client: Any, submit: Callable[[str], Any]) -> None:
    job = submit(COMMAND.replace("CODE", "0"))

    ml_client.jobs.update(job.name, display_name="another name", tags={"a": "b"})
    ml_client.jobs.archive(job.name)
    archived = {each.name for each in ml_client.jobs.list()}
    ml_client.jobs.restore(job.name)

    found = ml_client.jobs.get(job.name)
    assert (found.display_name, found.tags["a"], found.status) == ("another name", "b", "Completed")
    assert job.name not in archived
    assert job.name in {each.name for each in ml_client.jobs.list()}


def test_streaming_a_failed_job_raises_its_error(
    ml_client: Any, submit: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    from azure.ai.ml.exceptions import JobException

    job = submit(COMMAND.replace("CODE", "3"))

    with pytest.raises(JobException, match="exited with code 3") as failure:
        ml_client.jobs.stream(job.name)
    assert "said" in str(failure.value)


class Output(io.StringIO):
    """Standard output that creates a file once the SDK shows a log."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def write(self, text: str) -> int:
        if "Streaming user_logs/std_log.txt" in text:
            self._file.touch()
        return super().write(text)


def test_a_running_job_is_streamed(ml_client: Any, project: Path) -> None:
    from azure.ai.ml import load_job

    # given a job that ends only after its log is streamed
    go = project / "go"
    wait = f"until test -e '{go}'; do sleep 0.1; done && echo said"
    (project / "job.yml").write_text(COMMAND.replace("echo said", wait).replace("CODE", "0"))
    job = ml_client.jobs.create_or_update(load_job(project / "job.yml"))
    # when it is streamed
    with redirect_stdout(Output(go)) as output:
        ml_client.jobs.stream(job.name)
    # then its log is shown
    assert "said" in output.getvalue()


@pytest.mark.parametrize("text", [INLINE, COMMAND.replace("CODE", "0")], ids=["pipeline", "command"])
def test_a_job_that_was_read_is_sent_back_with_other_tags(
    ml_client: Any, submit: Callable[[str], Any], project: Path, text: str
) -> None:
    from azure.ai.ml import load_job
    from azure.core.exceptions import HttpResponseError

    # given a job
    job = submit(text)
    # when it is read, described and sent back
    job.tags, job.display_name = {"reviewed": "yes"}, "Other"
    back = ml_client.jobs.create_or_update(job)
    # then it is the same job, and its name is no other's
    assert (back.name, back.tags, back.display_name) == (job.name, {"reviewed": "yes"}, "Other")
    (project / "raw.txt").write_text("other\n")
    with pytest.raises(HttpResponseError, match=r"A job with this name already exists.* Inputs cannot be changed"):
        ml_client.jobs.create_or_update(load_job(project / "job.yml", params_override=[{"name": job.name}]))


def test_a_job_is_canceled(ml_client: Any, project: Path) -> None:
    from azure.ai.ml import load_job

    (project / "job.yml").write_text(COMMAND.replace("echo said", "sleep 600").replace("CODE", "0"))
    job = ml_client.jobs.create_or_update(load_job(project / "job.yml"))

    ml_client.jobs.begin_cancel(job.name).wait()

    assert ml_client.jobs.get(job.name).status == "Canceled"


def test_a_component_logs_to_mlflow_and_azureml_mlflow_finds_its_runs(
    ml_client: Any, emulator: RunningEmulator, submit: Callable[[str], Any]
) -> None:
    # given a step that logs with plain MLflow
    job = submit(BY_FILE)
    assert job.status == "Completed"
    (child,) = ml_client.jobs.list(parent_job_name=job.name)
    # when another program reads its run with azureml-mlflow by the job's name, and logs more to it
    program = [sys.executable, str(Path(__file__).parent / "tracking" / "tracking_program.py")]
    done = subprocess.run(
        [*program, ml_client.workspace_name, job.name, child.name],
        env={**os.environ, **emulator.variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    # then
    assert found["params"] == {"rate": "0.75", "seed": "None"}
    assert found["loss"] == pytest.approx(1 / 3)
    assert found["history"] == pytest.approx([1, 1 / 2, 1 / 3])
    assert (found["run"], found["status"], found["parent"]) == (child.name, ["FINISHED", "FINISHED"], job.name)
    assert {"made.txt", "user_logs"} <= set(found["artifacts"])
    assert (found["later"], found["reviewed"], found["note"]) == (1.0, "yes", "note")
    assert child.name in found["searched"]

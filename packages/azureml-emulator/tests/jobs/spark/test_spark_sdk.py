"""Spark jobs and steps through the unmodified SDK, on Sail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.xdist_group("jobs"), pytest.mark.long]
pytest.importorskip("pysail", reason="Spark needs the emulator's extra: uv sync --group spark")

ENTRY = """
import argparse
import pyarrow as pa
from pyspark.sql import SparkSession, functions
from helper import doubled
from zipped import NAME

parser = argparse.ArgumentParser()
for name in ("--rows", "--least", "--words", "--out"):
    parser.add_argument(name)
given = parser.parse_args()
spark = SparkSession.builder.appName("prepare").getOrCreate()


def double(batches):
    for batch in batches:
        yield pa.RecordBatch.from_arrays([doubled(batch.column(0))], ["x"])


rows = spark.read.csv(given.rows, header=True, schema="x long").where(functions.col("x") >= int(given.least))
rows.mapInArrow(double, "x long").coalesce(1).write.parquet(given.out)
total = spark.read.parquet(given.out).agg(functions.sum("x")).first()[0]
print("total", total, given.words, NAME, spark.conf.get("spark.sql.shuffle.partitions"), type(spark).__module__)
spark.stop()
print("again", SparkSession.builder.getOrCreate().range(4).count())
"""
HELPER = "import pyarrow.compute as pc\n\n\ndef doubled(column):\n    return pc.multiply(column, 2)\n"
COUNT = (
    "import sys\nfrom pathlib import Path\nprint('files', [p.suffix for p in Path(sys.argv[1]).glob('*.parquet')])\n"
)
CONF = """
  spark.driver.cores: 1
  spark.driver.memory: 2g
  spark.executor.cores: 2
  spark.executor.memory: 2g
  spark.executor.instances: 1
  spark.sql.shuffle.partitions: 3
"""
COMPONENT = f"""
$schema: https://azuremlschemas.azureedge.net/latest/sparkComponent.schema.json
type: spark
name: prepare_rows
version: "1"
code: ./src
entry: {{file: prepare.py}}
py_files: [lib.zip]
inputs:
  rows: {{type: uri_file, mode: direct}}
  least: {{type: integer, default: 2}}
  words: {{type: string}}
outputs:
  out: {{type: uri_folder, mode: direct}}
args: >-
  --rows ${{{{inputs.rows}}}} --least ${{{{inputs.least}}}} --words "${{{{inputs.words}}}}" --out ${{{{outputs.out}}}}
conf: {CONF}
"""
PIPELINE = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
experiment_name: spark
settings: {default_compute: azureml:cpu-cluster}
inputs:
  rows: {type: uri_file, path: rows.csv, mode: direct}
jobs:
  prepare:
    type: spark
    component: ./prepare.yml
    inputs: {rows: "${{parent.inputs.rows}}", words: "two words; $(exit 3)"}
    resources: {instance_type: standard_e4s_v3, runtime_version: "3.4"}
  count:
    type: command
    command: python count.py ${{inputs.table}}
    code: ./count
    environment: {image: busybox}
    inputs: {table: "${{parent.jobs.prepare.outputs.out}}"}
"""
JOB = f"""
$schema: https://azuremlschemas.azureedge.net/latest/sparkJob.schema.json
type: spark
experiment_name: spark
code: ./src
entry: {{file: prepare.py}}
py_files: [lib.zip]
inputs:
  rows: {{type: uri_file, path: rows.csv, mode: direct}}
outputs:
  out: {{type: uri_folder, mode: direct}}
args: --rows ${{{{inputs.rows}}}} --least 0 --words w --out ${{{{outputs.out}}}}
resources: {{instance_type: standard_e4s_v3, runtime_version: "3.4"}}
conf: {CONF}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Spark program that imports a module beside it and one of a zip file, with a component, a pipeline and a job."""
    import zipfile

    for folder in ("src", "count"):
        (tmp_path / folder).mkdir()
    (tmp_path / "src" / "prepare.py").write_text(ENTRY)
    (tmp_path / "src" / "helper.py").write_text(HELPER)
    (tmp_path / "count" / "count.py").write_text(COUNT)
    with zipfile.ZipFile(tmp_path / "src" / "lib.zip", "w") as archive:
        archive.writestr("zipped.py", "NAME = 'zipped'\n")
    (tmp_path / "rows.csv").write_text("x\n1\n2\n3\n")
    for name, text in {"prepare": COMPONENT, "pipeline": PIPELINE, "job": JOB}.items():
        (tmp_path / f"{name}.yml").write_text(text)
    return tmp_path


def test_a_spark_step_between_others(ml_client: Any, project: Path, submitter: Any) -> None:
    from azure.ai.ml import load_job

    job = ml_client.jobs.create_or_update(load_job(project / "pipeline.yml"))

    details = submitter.wait(job.name)
    steps = submitter.steps(job.name)
    log = submitter.log(steps["prepare"]["runId"])
    assert details["status"] == "Completed", log
    assert "total 10 two words; $(exit 3) zipped 3 pyspark.sql.connect.session" in log
    assert "again 4" in log
    assert "files ['.parquet']" in submitter.log(steps["count"]["runId"])


def test_a_single_spark_job(ml_client: Any, project: Path, submitter: Any, tmp_path: Path) -> None:
    from azure.ai.ml import load_job

    job = ml_client.jobs.create_or_update(load_job(project / "job.yml"))

    assert submitter.wait(job.name)["status"] == "Completed", submitter.log(job.name)
    assert "total 12 w zipped" in submitter.log(job.name)
    answered = ml_client.jobs.get(job.name)
    assert (answered.type, answered.entry.entry, answered.executor_cores) == ("spark", "prepare.py", "2")
    ml_client.jobs.download(job.name, download_path=tmp_path / "got", output_name="out")
    assert list((tmp_path / "got").rglob("*.parquet"))

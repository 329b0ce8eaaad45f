"""The rules for Spark jobs and steps: what the service and its SDK refuse, and what Sail cannot run."""

from __future__ import annotations

from typing import Any

import pytest

from azureml_emulator.jobs.definitions.spark import SparkSettings
from azureml_emulator.jobs.definitions.steps import Graph
from azureml_emulator.jobs.graph.reader import read_command, read_pipeline
from azureml_emulator.kernel.errors import BadRequest, NotModelled

CONF = {
    "spark.driver.cores": "1",
    "spark.driver.memory": "2g",
    "spark.executor.cores": "1",
    "spark.executor.memory": "2g",
    "spark.executor.instances": "1",
}
RESOURCES = {"instanceType": "Standard_E4s_V3", "runtimeVersion": "3.4"}
DYNAMIC = {
    **{name: value for name, value in CONF.items() if "instances" not in name},
    "spark.dynamicAllocation.enabled": "True",
    "spark.dynamicAllocation.minExecutors": "1",
    "spark.dynamicAllocation.maxExecutors": "3",
}
FOLDER = {"jobInputType": "uri_folder", "uri": "azureml://datastores/workspaceblobstore/paths/x"}


def read(**properties: Any) -> Graph:
    given = {"jobType": "Spark", "codeId": "c", "entry": {"file": "x.py"}, "conf": CONF, "resources": RESOURCES}
    return read_command("job", {**given, **properties})


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no entry": ({"entry": None}, "entry.file is ''"),
    "an entry elsewhere": ({"entry": {"file": "../x.py"}}, "a path inside the code folder"),
    "a module elsewhere": ({"pyFiles": ["azureml://datastores/x/paths/lib.zip"]}, "py_files is 'azureml://"),
    "a module twice": ({"pyFiles": ["a.zip", "./a.zip"]}, "py_files names a file twice"),
    "resources and compute": ({"computeId": "pool"}, "both resources and compute"),
    "neither": ({"resources": None}, "neither resources nor compute"),
    "another machine": ({"resources": {"instanceType": "Standard_DS3_v2"}}, "the instance type is 'Standard_DS3_v2'"),
    "no memory": ({"conf": {**CONF, "spark.driver.memory": None}}, "no spark.driver.memory"),
    "no instances": ({"conf": {**CONF, "spark.executor.instances": None}}, "no spark.executor.instances"),
    "cores that are none": ({"conf": {**CONF, "spark.driver.cores": "many"}}, "must be a number"),
    "executors without dynamic allocation": (
        {"conf": {**CONF, "spark.dynamicAllocation.minExecutors": "1"}},
        "need spark.dynamicAllocation.enabled",
    ),
    "dynamic allocation without bounds": (
        {"conf": {**CONF, "spark.dynamicAllocation.enabled": "true"}},
        "minExecutors",
    ),
    "more executors than allowed": ({"conf": {**DYNAMIC, "spark.executor.instances": "4"}}, "0 < "),
    "a mounted input": ({"inputs": {"x": {**FOLDER, "mode": "ReadOnlyMount"}}}, "mode readonlymount; .*must be direct"),
    "an input without a mode": ({"inputs": {"x": FOLDER}}, "no mode"),
    "a mounted output": ({"outputs": {"x": {"jobOutputType": "uri_folder", "mode": "ReadWriteMount"}}}, "output 'x'"),
    "a table": ({"inputs": {"x": {**FOLDER, "jobInputType": "mltable", "mode": "Direct"}}}, "is of type mltable"),
    "an open quote": ({"args": "--name 'x"}, "args cannot be read"),
    "an unknown input": ({"args": "${{inputs.x}}"}, "which it does not have"),
}


@pytest.mark.parametrize(("properties", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_as_by_the_service(properties: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words) as refusal:
        read(**properties)
    assert refusal.value.error_code == "UserError"


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"jars": ["x.jar"]}, "has jars: .*without Java libraries"),
        ({"archives": ["x.zip"]}, "has archives"),
        ({"entry": {"sparkJobEntryType": "SparkJobScalaEntry", "className": "org.example.Main"}}, "starts a class"),
    ],
    ids=["jars", "archives", "class"],
)
def test_what_needs_java_is_refused_by_name(properties: dict[str, Any], words: str) -> None:
    with pytest.raises(NotModelled, match=words):
        read(**properties)


@pytest.mark.parametrize(
    "properties",
    [
        {"resources": None, "computeId": "pool"},
        {"conf": DYNAMIC},
        {"conf": {**DYNAMIC, "spark.executor.instances": "2"}},
        {
            "inputs": {"x": {**FOLDER, "mode": "Direct"}},
            "outputs": {"y": {"jobOutputType": "uri_file", "mode": "Direct"}},
        },
    ],
    ids=["compute", "dynamic", "dynamic-instances", "data"],
)
def test_accepted(properties: dict[str, Any]) -> None:
    (step,) = read(**properties).steps.values()
    assert step.spark is not None


def test_a_node_overrides_its_component_and_adds_to_its_conf() -> None:
    component = {
        "type": "spark",
        "code": "c",
        "entry": {"file": "old.py"},
        "py_files": ["lib.zip"],
        "conf": {**CONF, "spark.executor.cores": 2},
        "args": "--word ${{inputs.word}}",
        "inputs": {"word": {"type": "string"}},
    }
    node = {
        "type": "spark",
        "componentId": "x",
        "entry": {"file": "a b.py", "spark_job_entry_type": "SparkJobPythonEntry"},
        "conf": {"spark.executor.instances": 3},
        "resources": {"instance_type": "Standard_E8s_V3"},
        "inputs": {"word": {"job_input_type": "literal", "value": "hello"}},
    }

    (step,) = read_pipeline({"jobs": {"a": node}}, lambda _: component).steps.values()

    conf = {**CONF, "spark.executor.cores": "2", "spark.executor.instances": "3"}
    assert step.spark == SparkSettings("a b.py", ("lib.zip",), (), conf)
    assert step.command == "spark-submit 'a b.py' --word ${{inputs.word}}"

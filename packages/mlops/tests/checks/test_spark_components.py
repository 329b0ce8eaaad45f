"""Spark components and their steps: what the SDK refuses, and modules that executors would not find."""

from pathlib import Path
from textwrap import dedent

import pytest

from mlops.checks import check_project, fix_project

COMPONENT = """\
    type: spark
    name: wide
    version: 1.0.0
    inputs:
      data: {type: uri_folder, mode: direct}
      share: {type: number, default: 0.5}
    outputs:
      made: {type: uri_folder, mode: direct}
    code: .
    additional_includes:
      - ../package.zip
      - ../common/columns.py
    entry:
      file: wide.py
    py_files:
      - package.zip
      - columns.py
    environment: file:../../environments/base.yml
    args: --data ${{inputs.data}} --share ${{inputs.share}} --made ${{outputs.made}}
    conf:
      spark.driver.cores: 1
      spark.driver.memory: 2g
      spark.executor.cores: 1
      spark.executor.memory: 2g
      spark.executor.instances: 2
"""
PIPELINE = """\
    type: pipeline
    inputs:
      data: {type: uri_folder, path: azureml:rows@latest, mode: direct}
    outputs:
      made: {type: uri_folder, mode: direct}
    jobs:
      wide:
        type: spark
        component: ../components/wide/component.yml
        inputs: {data: "${{parent.inputs.data}}"}
        outputs: {made: "${{parent.outputs.made}}"}
        resources: {instance_type: Standard_E4s_V3, runtime_version: "3.5"}
"""
FILES = {
    "components/package/__init__.py": "",
    "components/common/columns.py": "import json\n\nNAMES = []\n",
    "components/wide/wide.py": "import json\nimport package.rows\nfrom columns import NAMES\nimport pyspark\n",
    "components/wide/component.yml": dedent(COMPONENT),
    "pipelines/wide.yml": dedent(PIPELINE),
}
COMPONENT_FILE, PIPELINE_FILE, ENTRY = "components/wide/component.yml", "pipelines/wide.yml", "components/wide/wide.py"
MISTAKES = {
    "unknown field": (COMPONENT_FILE, "args: ", "command: x\nargs: ", "unknown field `command`"),
    "undeclared input": (COMPONENT_FILE, "inputs.share}}", "inputs.shares}}", "which is not declared"),
    "no entry": (COMPONENT_FILE, "entry:\n  file: wide.py\n", "", "there is no `entry`"),
    "wrong entry": (COMPONENT_FILE, "file: wide.py", "file: wider.py", "entry 'wider.py' is not in the code"),
    "missing module": (COMPONENT_FILE, "  - columns.py", "  - colums.py", "of `py_files` is not in the code"),
    "module twice": (COMPONENT_FILE, "  - columns.py", "  - columns.py\n  - columns.py", "twice"),
    "module that stays behind": (COMPONENT_FILE, "  - columns.py\n", "", "wide.py imports columns, which executors"),
    "package that stays behind": (COMPONENT_FILE, "  - package.zip\n  - columns", "  - columns", "imports package"),
    "no mode": (COMPONENT_FILE, "made: {type: uri_folder, mode: direct}", "made: {type: uri_folder}", "has no mode"),
    "mount": (
        COMPONENT_FILE,
        "data: {type: uri_folder, mode: direct}",
        "data: {type: uri_folder, mode: ro_mount}",
        "ro_mount",
    ),
    "table": (COMPONENT_FILE, "data: {type: uri_folder", "data: {type: mltable", "is of type mltable"),
    "no machines": (
        PIPELINE_FILE,
        '    resources: {instance_type: Standard_E4s_V3, runtime_version: "3.5"}\n',
        "",
        "neither",
    ),
    "two kinds of machines": (PIPELINE_FILE, "    resources:", "    compute: azureml:pool\n    resources:", "both"),
    "machine": (PIPELINE_FILE, "Standard_E4s_V3", "Standard_DS3_v2", "no instance type"),
    "number for a version": (PIPELINE_FILE, '"3.5"', "3.5", "is no text"),
    "identity": (PIPELINE_FILE, "    resources:", "    identity: {type: aml_token}\n    resources:", "no identity"),
    "no memory": (COMPONENT_FILE, "  spark.driver.memory: 2g\n", "", "lacks spark.driver.memory"),
    "no executors": (COMPONENT_FILE, "  spark.executor.instances: 2\n", "", "lacks spark.executor.instances"),
    "bounds": (
        COMPONENT_FILE,
        "instances: 2\n",
        "instances: 2\n  spark.dynamicAllocation.minExecutors: 1\n",
        "without spark.dynamicAllocation.enabled",
    ),
    "too many executors": (
        PIPELINE_FILE,
        "    resources:",
        "    conf: {spark.dynamicAllocation.enabled: true, spark.dynamicAllocation.minExecutors: 1, "
        "spark.dynamicAllocation.maxExecutors: 1}\n    resources:",
        "must have 0 <",
    ),
}


@pytest.fixture
def spark_project(project: Path) -> Path:
    """The clean project with a Spark component and a pipeline that runs it."""
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    fix_project(project)
    return project


def test_a_sound_component_is_clean(spark_project: Path):
    assert check_project(spark_project) == []


@pytest.mark.parametrize(("file", "old", "new", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found_once(spark_project: Path, file: str, old: str, new: str, says: str):
    path = spark_project / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))

    # One of a component may be found in a pipeline as well.
    problems = check_project(spark_project)

    (found,) = [problem for problem in problems if says in problem.message]
    assert found.file in (file, PIPELINE_FILE)
    assert found.advice


def test_modules_of_modules_travel_too(spark_project: Path):
    (spark_project / "components/wide/more.py").write_text("")
    (spark_project / "components/common/columns.py").write_text("def names():\n    from more import NAMES\n")

    found = [each.message for each in check_project(spark_project)]

    assert "columns.py imports more, which executors do not find" in found

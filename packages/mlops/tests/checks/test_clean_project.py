"""The clean project is one that the SDK accepts, and spoiling it at random never breaks the check."""

import random
from typing import Any

import pytest
import yaml
from azure.ai.ml import load_component, load_data, load_environment, load_job, load_online_deployment

from mlops.checks import Problem, check_project

SEEDS = 160
JUNK = (
    None,
    "",
    "text",
    "${{parent.inputs.x}}",
    "$[[",
    "azureml:",
    "file:",
    0,
    -1.5,
    True,
    [],
    [None],
    {},
    {"a": []},
)
SPOILED = (
    "pipelines/train.yml",
    "components/make/component.yml",
    "components/fit/component.yml",
    "environments/base.yml",
    "environments/base.conda.yml",
    "components/versions.lock.yml",
    "endpoints/online/deployment.yml",
    "endpoints/online/deployment.kubernetes.yml",
    "data/rows.yml",
)


def test_the_sdk_accepts_the_project_that_is_called_clean(project):
    for name in ("make", "fit"):
        assert load_component(project / "components" / name / "component.yml").name == name
    load_environment(project / "environments/base.yml")
    load_data(project / "data/rows.yml")
    load_online_deployment(project / "endpoints/online/deployment.yml")

    job: Any = load_job(project / "pipelines/train.yml")

    assert list(job.jobs) == ["make", "fit", "show", "search", "publish"]
    assert job._validate().passed


def places(value, path=()):
    """Every place in a document, as a path of keys and indices."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


@pytest.mark.parametrize("file", SPOILED)
def test_junk_anywhere_gives_problems_but_never_an_exception(project, file):
    original = (project / file).read_text()
    for seed in range(SEEDS // len(SPOILED)):
        # given a document with junk in one place
        choose = random.Random(f"{file} {seed}")  # noqa: S311
        document = yaml.safe_load(original)
        *path, last = choose.choice([place for place in places(document) if place])
        parent = document
        for key in path:
            parent = parent[key]
        parent[last] = choose.choice(JUNK)
        (project / file).write_text(yaml.safe_dump(document, sort_keys=False))

        # when it is checked, then the answer is a list of problems with places
        problems = check_project(project)
        assert all(isinstance(problem, Problem) and problem.line >= 1 for problem in problems)


@pytest.mark.parametrize("text", ["", "[]", "a: [", "\t", "a: &x\n  b: *x", "? [a]\n: 1", "jobs: {a: {component: {}}}"])
def test_a_file_that_is_no_mapping_is_one_problem(project, text):
    (project / "pipelines" / "other.yml").write_text(text)

    problems = check_project(project)

    assert {problem.file for problem in problems} == {"pipelines/other.yml"}

"""Pipelines that decide while they run, as the SDK sends them: if_else, do_while and parallel_for."""

# No `from __future__ import annotations`: the SDK reads the annotations of a pipeline's function as they are.

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.testing import wait_for

pytestmark = pytest.mark.xdist_group("jobs")

ENDED = {"Completed", "Failed", "Canceled"}
ENVIRONMENT = "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
# Counts up, and says whether it should go on.
COUNT = """
n=$(( ${{inputs.n}} + 1 )); echo $n > ${{outputs.n}}; [ $n -lt ${{inputs.below}} ] && echo True > ${{outputs.more}} ||
echo False > ${{outputs.more}}; cat $[[${{inputs.before}}/trace]] 2> /dev/null > ${{outputs.trace}}/trace;
echo $n >> ${{outputs.trace}}/trace
""".replace("\n", " ")


@pytest.fixture
def run(ml_client: Any) -> Callable[[Any], Any]:
    """Submits a pipeline, waits until it has ended, and returns it."""

    def submit_and_wait(job: Any) -> Any:
        job.settings.default_compute = "cpu-cluster"
        # Without validation, whose schema takes these nodes only when a variable was set before the SDK was imported.
        name = ml_client.jobs.create_or_update(job, skip_validation=True).name
        return wait_for(lambda: job if (job := ml_client.jobs.get(name)).status in ENDED else None)

    return submit_and_wait


@pytest.fixture
def output(ml_client: Any, tmp_path: Path) -> Callable[[Any, str], Path]:
    """Downloads an output of a job; its folder."""

    def download(job: Any, name: str) -> Path:
        ml_client.jobs.download(job.name, download_path=tmp_path / name, output_name=name)
        return tmp_path / name / "named-outputs" / name

    return download


def untyped_pipeline() -> Any:
    """The SDK's decorator, whose types know fewer functions than it takes."""
    from azure.ai.ml.dsl import pipeline

    return pipeline


def component(command: str, inputs: dict[str, Any], outputs: dict[str, str]) -> Any:
    from azure.ai.ml import Output
    from azure.ai.ml import command as make

    values = {"boolean", "integer", "string"}
    declared = {
        key: Output(type=kind, is_control=True) if kind in values else Output(type=kind)
        for key, kind in outputs.items()
    }
    name = f"c-{uuid.uuid4().hex}"
    return make(name=name, command=command, environment=ENVIRONMENT, inputs=inputs, outputs=declared).component


def states(submitter: Any, job: Any) -> dict[str, str]:
    return {name: step["status"] for name, step in submitter.steps(job.name).items()}


@pytest.fixture
def say() -> Any:
    from azure.ai.ml import Input

    return component(
        "echo ${{inputs.text}} > ${{outputs.value}}; echo ${{inputs.text}} > ${{outputs.data}}/text",
        {"text": Input(type="string")},
        {"value": "string", "data": "uri_folder"},
    )


@pytest.mark.parametrize(("number", "runs", "rests"), [(3, "large", "small"), (1, "small", "large")])
def test_a_condition_runs_one_branch(
    run: Callable[[Any], Any], submitter: Any, say: Any, number: int, runs: str, rests: str
) -> None:
    from azure.ai.ml import Input
    from azure.ai.ml.dsl._condition import condition

    pipeline = untyped_pipeline()
    judge = component(
        "[ ${{inputs.n}} -gt 2 ] && echo True > ${{outputs.is_large}} || echo False > ${{outputs.is_large}}",
        {"n": Input(type="integer")},
        {"is_large": "boolean"},
    )

    @pipeline()
    def choose(n: int) -> None:
        judged = judge(n=n)
        large, small = say(text="large"), say(text="small")
        after = say(text=small.outputs.value)  # noqa: F841 - its name is that of the step
        condition(judged.outputs.is_large, true_block=large, false_block=small)

    job = run(choose(n=number))

    # the other branch, and what needs it, do not run, and the pipeline has not failed
    found = states(submitter, job)
    assert job.status == "Completed"
    assert (found[runs], found[rests]) == ("Completed", "Canceled")
    assert found["after"] == ("Completed" if runs == "small" else "Canceled")


def counting() -> Any:
    from azure.ai.ml import Input

    pipeline = untyped_pipeline()
    count = component(
        COUNT,
        {"n": Input(type="integer"), "below": Input(type="integer"), "before": Input(type="uri_folder", optional=True)},
        {"n": "integer", "more": "boolean", "trace": "uri_folder"},
    )

    number, folder = Input(type="integer"), Input(type="uri_folder", optional=True)

    @pipeline()
    def body(n: number, below: number, before: folder = None) -> dict[str, Any]:  # ty: ignore[invalid-type-form]
        counted = count(n=n, below=below, before=before)
        return {"n": counted.outputs.n, "more": counted.outputs.more, "trace": counted.outputs.trace}

    return body


@pytest.mark.parametrize(("below", "limit", "expected"), [(3, 10, ["1", "2", "3"]), (99, 2, ["1", "2"])])
def test_a_loop_repeats_until_its_condition_or_its_limit_ends_it(
    run: Callable[[Any], Any],
    output: Callable[[Any, str], Path],
    submitter: Any,
    say: Any,
    below: int,
    limit: int,
    expected: list[str],
) -> None:
    from azure.ai.ml.dsl._do_while import do_while

    pipeline = untyped_pipeline()
    body = counting()

    @pipeline()
    def repeat() -> dict[str, Any]:
        counted = body(n=0, below=below)
        loop = do_while(
            body=counted,
            mapping={counted.outputs.n: counted.inputs.n, counted.outputs.trace: counted.inputs.before},
            max_iteration_count=limit,
            condition=counted.outputs.more,
        )
        assert loop
        last = say(text=counted.outputs.n)
        return {"trace": counted.outputs.trace, "last": last.outputs.data}

    job = run(repeat())

    assert job.status == "Completed"
    assert (output(job, "trace") / "trace").read_text().split() == expected
    assert (output(job, "last") / "text").read_text().strip() == expected[-1]
    # the iterations are inside the loop
    steps = submitter.steps(job.name)
    assert set(steps) == {"loop", "last"}
    assert set(submitter.steps(steps["loop"]["runId"])) == {f"counted_{number}" for number in range(len(expected))}


@pytest.mark.parametrize("given", ["literal", "of a step"])
def test_items_are_processed_in_parallel_and_gathered(
    run: Callable[[Any], Any], output: Callable[[Any, str], Path], say: Any, given: str
) -> None:
    from azure.ai.ml import Input
    from azure.ai.ml.dsl._parallel_for import parallel_for

    pipeline = untyped_pipeline()
    items = [{"text": "a"}, {"text": "b"}, {"text": "c"}]
    listing = component(f"echo '{json.dumps(items)}' > ${{{{outputs.found}}}}", {}, {"found": "string"})
    count = component(
        "cp ${{inputs.table}}/MLTable ${{outputs.listed}}; echo '${{inputs.texts}}' > ${{outputs.listed}}/texts",
        {"table": Input(type="mltable"), "texts": Input(type="string")},
        {"listed": "uri_folder"},
    )

    @pipeline()
    def each() -> dict[str, Any]:
        found = items if given == "literal" else listing().outputs.found
        loop: Any = parallel_for(body=say(text="unset"), items=found)
        copied = count(table=loop.outputs.data, texts=loop.outputs.value)
        return {"listed": copied.outputs.listed}

    job = run(each())

    assert job.status == "Completed"
    listed = output(job, "listed")
    assert json.loads((listed / "texts").read_text()) == ["a", "b", "c"]
    assert (listed / "MLTable").read_text().count("folder: azureml://") == 3


def test_a_failed_iteration_fails_the_loop_and_the_job(run: Callable[[Any], Any], submitter: Any) -> None:
    from azure.ai.ml import Input
    from azure.ai.ml.dsl._parallel_for import parallel_for

    pipeline = untyped_pipeline()
    exiting = component("exit ${{inputs.code}}", {"code": Input(type="integer")}, {"o": "uri_folder"})

    @pipeline()
    def each() -> None:
        loop = parallel_for(body=exiting(code=0), items={"good": {"code": 0}, "bad": {"code": 7}})
        assert loop

    job = run(each())

    assert job.status == "Failed"
    assert "exited with code 7" in submitter.details(job.name)["error"]["error"]["message"]
    loop = submitter.steps(job.name)["loop"]
    iterations = submitter.steps(loop["runId"])
    assert loop["status"] == "Failed"
    assert {name[-4:]: step["status"] for name, step in iterations.items()} == {"good": "Completed", "_bad": "Failed"}


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("true", "The step 'judged' did not write its output 'more'."),
        ("echo perhaps > ${{outputs.more}}", "neither true nor false"),
    ],
)
def test_a_condition_without_a_boolean_fails_the_job(
    run: Callable[[Any], Any], submitter: Any, say: Any, command: str, reason: str
) -> None:
    from azure.ai.ml.dsl._condition import condition

    pipeline = untyped_pipeline()
    judge = component(command, {}, {"more": "boolean"})

    @pipeline()
    def choose() -> None:
        judged = judge()
        condition(judged.outputs.more, true_block=say(text="yes"))

    job = run(choose())

    assert job.status == "Failed"
    assert reason in submitter.details(job.name)["error"]["error"]["message"]


def test_a_loop_is_canceled_with_its_job(ml_client: Any, submitter: Any) -> None:
    from azure.ai.ml import Input
    from azure.ai.ml.dsl._parallel_for import parallel_for

    pipeline = untyped_pipeline()
    waiting = component("sleep ${{inputs.seconds}}", {"seconds": Input(type="integer")}, {"o": "uri_folder"})

    @pipeline(default_compute="cpu-cluster")
    def each() -> None:
        loop = parallel_for(body=waiting(seconds=1), items=[{"seconds": 600}, {"seconds": 601}])
        assert loop

    name = ml_client.jobs.create_or_update(each(), skip_validation=True).name
    loop = wait_for(lambda: submitter.steps(name).get("loop"))
    wait_for(lambda: {step["status"] for step in submitter.steps(loop["runId"]).values()} == {"Running"})

    ml_client.jobs.begin_cancel(name).wait()

    assert ml_client.jobs.get(name).status == "Canceled"
    assert submitter.steps(name)["loop"]["status"] == "Canceled"
    assert {step["status"] for step in submitter.steps(loop["runId"]).values()} == {"Canceled"}

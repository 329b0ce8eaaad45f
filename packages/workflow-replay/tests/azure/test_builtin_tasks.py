"""The effects of well-known tasks, and that they fail where the real tasks do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from workflow_replay.azure import BUILTIN_TASKS, service_connections
from workflow_replay.effects import EffectContext, EffectFailed, EffectResult

RunTask = Callable[[str, Mapping[str, str]], EffectResult]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "1" / "s"
    (folder / "out" / "deep").mkdir(parents=True)
    (folder / "out" / "a.txt").write_text("a")
    (folder / "out" / "deep" / "b.md").write_text("b")
    return folder


@pytest.fixture
def context(tmp_path: Path, sources: Path) -> EffectContext:
    return EffectContext(
        repository=tmp_path,
        commit="",
        ref="",
        workspace=tmp_path / "1",
        temporary=tmp_path,
        artifacts=tmp_path / "artifacts",
        variables={
            "PIPELINE_WORKSPACE": str(tmp_path / "1"),
            "SYSTEM_DEFAULTWORKINGDIRECTORY": str(sources),
            "SYSTEM_ARTIFACTSDIRECTORY": str(tmp_path / "1" / "a"),
        },
        log=lambda _: None,
        job="A.job",
    )


@pytest.fixture
def run_task(context: EffectContext) -> RunTask:
    return lambda name, inputs: BUILTIN_TASKS.find(name, "here")(inputs, context)


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_artifacts_are_published_once_and_downloaded_by_name_and_pattern(run_task: RunTask, tmp_path: Path) -> None:
    run_task("PublishPipelineArtifact", {"targetPath": "out", "artifact": "drop"})
    run_task("publishpipelineartifact", {"path": "out/a.txt", "artifactName": "single"})

    run_task("DownloadPipelineArtifact", {"artifact": "drop", "path": str(tmp_path / "one")})
    run_task("DownloadPipelineArtifact", {"path": str(tmp_path / "all")})
    run_task(
        "DownloadPipelineArtifact", {"artifact": "drop", "patterns": "**\n!**/*.md", "path": str(tmp_path / "some")}
    )
    run_task("DownloadBuildArtifacts", {"artifactName": "single"})

    assert files(tmp_path / "one") == ["a.txt", "deep/b.md"]
    assert files(tmp_path / "all") == ["drop/a.txt", "drop/deep/b.md", "single/a.txt"]
    assert files(tmp_path / "some") == ["a.txt"]
    assert files(tmp_path / "1" / "a") == ["single/a.txt"]
    with pytest.raises(EffectFailed, match="drop already exists"):
        run_task("PublishPipelineArtifact", {"path": "out", "artifact": "drop"})


@pytest.mark.parametrize(
    ("task", "inputs", "message"),
    [
        ("PublishPipelineArtifact", {"path": "no", "artifact": "x"}, "Path does not exist"),
        ("PublishPipelineArtifact", {"path": "out", "artifact": "a/b"}, "not valid"),
        ("DownloadPipelineArtifact", {"artifact": "no"}, "was not found"),
        ("DownloadPipelineArtifact", {"source": "specific"}, "cannot be replayed"),
        ("PublishTestResults", {"failTaskOnMissingResultsFile": "true"}, "No test result files"),
        ("Cache", {"key": "k"}, "Input required: path"),
        ("AzureCLI", {}, "Input required: azureSubscription"),
    ],
)
def test_tasks_fail_where_the_real_ones_do(
    run_task: RunTask, task: str, inputs: Mapping[str, str], message: str
) -> None:
    with pytest.raises(EffectFailed, match=message):
        run_task(task, inputs)


def test_failed_tests_fail_the_task_only_if_requested(run_task: RunTask, sources: Path) -> None:
    (sources / "TEST-1.xml").write_text('<testsuite><testcase><failure message="x"/></testcase></testsuite>')

    run_task("PublishTestResults", {})
    with pytest.raises(EffectFailed, match="test failures"):
        run_task("PublishTestResults", {"failTaskOnFailedTests": "true"})


def test_a_login_exposes_the_identity_only_if_requested(run_task: RunTask) -> None:
    without = run_task("AzureCLI", {"azureSubscription": "dev"})
    with_identity = run_task("AzureCLI", {"connectedServiceNameARM": "dev", "addSpnToEnvironment": "true"})

    assert "servicePrincipalId" not in without.variables
    assert with_identity.variables["servicePrincipalId"] == with_identity.variables["AZURESUBSCRIPTION_CLIENT_ID"]
    assert with_identity.masks == (with_identity.variables["idToken"],)


@pytest.mark.parametrize(
    ("name", "environment", "message"),
    [
        ("gate", None, None),
        ("gate", "prod", None),
        ("prod", "prod", None),
        ("prod", "dev", "is for prod, and the job is in the environment dev"),
        ("prod", None, "is for prod, and the job is in no environment"),
        ("other", "prod", "other could not be found"),
    ],
)
def test_service_connections_may_be_restricted_to_an_environment(
    context: EffectContext, name: str, environment: str | None, message: str | None
) -> None:
    log_in = service_connections({"gate": None, "prod": "prod"}).find("AzureCLI", "here")
    in_environment = replace(context, environment=environment)
    if message is None:
        log_in({"azureSubscription": name}, in_environment)
        return

    with pytest.raises(EffectFailed, match=message):
        log_in({"azureSubscription": name}, in_environment)

"""What the declared effects of well-known tasks do, and where they fail as the real ones would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from workflow_replay.azure import EFFECTS, connections
from workflow_replay.effects import EffectContext, EffectFailed, EffectResult

Play = Callable[[str, Mapping[str, str]], EffectResult]


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
        say=lambda _: None,
        job="A.job",
    )


@pytest.fixture
def play(context: EffectContext) -> Play:
    return lambda name, inputs: EFFECTS.named(name, "here")(inputs, context)


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_artifacts_are_published_once_and_downloaded_by_name_and_pattern(play: Play, tmp_path: Path) -> None:
    play("PublishPipelineArtifact", {"targetPath": "out", "artifact": "drop"})
    play("publishpipelineartifact", {"path": "out/a.txt", "artifactName": "single"})

    play("DownloadPipelineArtifact", {"artifact": "drop", "path": str(tmp_path / "one")})
    play("DownloadPipelineArtifact", {"path": str(tmp_path / "all")})
    play("DownloadPipelineArtifact", {"artifact": "drop", "patterns": "**\n!**/*.md", "path": str(tmp_path / "some")})
    play("DownloadBuildArtifacts", {"artifactName": "single"})

    assert files(tmp_path / "one") == ["a.txt", "deep/b.md"]
    assert files(tmp_path / "all") == ["drop/a.txt", "drop/deep/b.md", "single/a.txt"]
    assert files(tmp_path / "some") == ["a.txt"]
    assert files(tmp_path / "1" / "a") == ["single/a.txt"]
    with pytest.raises(EffectFailed, match="drop already exists"):
        play("PublishPipelineArtifact", {"path": "out", "artifact": "drop"})


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
def test_tasks_fail_where_the_real_ones_do(play: Play, task: str, inputs: Mapping[str, str], message: str) -> None:
    with pytest.raises(EffectFailed, match=message):
        play(task, inputs)


def test_failed_tests_fail_the_task_only_when_it_is_told_to(play: Play, sources: Path) -> None:
    (sources / "TEST-1.xml").write_text('<testsuite><testcase><failure message="x"/></testcase></testsuite>')

    play("PublishTestResults", {})
    with pytest.raises(EffectFailed, match="test failures"):
        play("PublishTestResults", {"failTaskOnFailedTests": "true"})


def test_a_login_tells_the_script_who_it_is_only_when_asked(play: Play) -> None:
    quiet = play("AzureCLI", {"azureSubscription": "dev"})
    told = play("AzureCLI", {"connectedServiceNameARM": "dev", "addSpnToEnvironment": "true"})

    assert "servicePrincipalId" not in quiet.variables
    assert told.variables["servicePrincipalId"] == told.variables["AZURESUBSCRIPTION_CLIENT_ID"]
    assert told.masks == (told.variables["idToken"],)


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
def test_connections_may_be_tied_to_an_environment(
    context: EffectContext, name: str, environment: str | None, message: str | None
) -> None:
    log_in = connections({"gate": None, "prod": "prod"}).named("AzureCLI", "here")
    placed = replace(context, environment=environment)
    if message is None:
        log_in({"azureSubscription": name}, placed)
        return

    with pytest.raises(EffectFailed, match=message):
        log_in({"azureSubscription": name}, placed)

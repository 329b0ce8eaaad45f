"""The variables that the service and the agent set by themselves, for a run, a stage and a job. Pure.

Numbers and ids are stand-ins that follow from the file and the commit, so that two replays of one event agree.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from workflow_replay.azure.pipeline.model import Stage
from workflow_replay.azure.running.instances import Instance

BUILD_ID = "1"
WRITABLE = frozenset({"build.clean", "system.debug"})
_ARCHITECTURES = {"x86_64": "X64", "AMD64": "X64", "aarch64": "ARM64", "arm64": "ARM64"}


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run before it begins."""

    pipeline: str
    organization: str
    project: str
    repository: Path
    reason: str
    ref: str
    commit: str
    message: str
    requested_for: str
    requested_for_email: str
    started: datetime
    extra: Mapping[str, str]

    @property
    def collection(self) -> str:
        """The organization's address."""
        return f"https://dev.azure.com/{self.organization}/"


@dataclass(frozen=True)
class Folders:
    """The folders of a job."""

    workspace: Path
    temporary: Path
    tools: Path

    @property
    def sources(self) -> Path:
        """Where the repository is checked out."""
        return self.workspace / "s"

    @property
    def staging(self) -> Path:
        """Where artifacts are put together."""
        return self.workspace / "a"

    def make(self) -> None:
        """Make all of them."""
        for folder in (self.sources, self.staging, self.workspace / "b", self.workspace / "TestResults"):
            folder.mkdir(parents=True, exist_ok=True)
        self.temporary.mkdir(parents=True, exist_ok=True)
        self.tools.mkdir(parents=True, exist_ok=True)


def stand_in_id(*parts: str) -> str:
    """Return an id that follows from a few words."""
    return str(uuid5(NAMESPACE_URL, "/".join(parts)))


def of_run(facts: RunFacts) -> dict[str, str]:
    """Return the variables that are known while the file is read."""
    branch = facts.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    repository = facts.repository.name.removesuffix(".git") or "repository"
    return {
        "Build.BuildId": BUILD_ID,
        "Build.BuildUri": f"vstfs:///Build/Build/{BUILD_ID}",
        "Build.DefinitionName": facts.pipeline,
        "Build.DefinitionVersion": "1",
        "Build.QueuedBy": facts.requested_for,
        "Build.Reason": facts.reason,
        "Build.Repository.ID": stand_in_id(facts.organization, facts.project, repository),
        "Build.Repository.Name": repository,
        "Build.Repository.Provider": "TfsGit",
        "Build.Repository.Uri": f"{facts.collection}{facts.project}/_git/{repository}",
        "Build.RequestedFor": facts.requested_for,
        "Build.RequestedForEmail": facts.requested_for_email,
        "Build.SourceBranch": facts.ref,
        "Build.SourceBranchName": branch.rsplit("/", 1)[-1],
        "Build.SourceVersion": facts.commit,
        "Build.SourceVersionMessage": facts.message.splitlines()[0] if facts.message else "",
        "System.CollectionId": stand_in_id(facts.organization),
        "System.CollectionUri": facts.collection,
        "System.DefinitionId": "1",
        "System.HostType": "build",
        "System.PipelineStartTime": facts.started.strftime("%Y-%m-%d %H:%M:%S+00:00"),
        "System.TeamFoundationCollectionUri": facts.collection,
        "System.TeamFoundationServerUri": facts.collection,
        "System.TeamProject": facts.project,
        "System.TeamProjectId": stand_in_id(facts.organization, facts.project),
        **facts.extra,
    }


def of_job(facts: RunFacts, stage: Stage, instance: Instance, folders: Folders) -> dict[str, str]:
    """Return the variables that are known when a job begins."""
    job = instance.job
    found = {**_of_agent(instance, folders), **_of_folders(folders), **_of_system(facts, stage, instance)}
    found |= instance.variables
    if job.environment is not None:
        found["Environment.Name"] = job.environment.name
        found["Environment.Id"] = "1"
        if job.environment.resource:
            found["Environment.ResourceName"] = job.environment.resource
    return found


def _of_agent(instance: Instance, folders: Folders) -> dict[str, str]:
    return {
        "Agent.BuildDirectory": str(folders.workspace),
        "Agent.HomeDirectory": str(folders.workspace.parent),
        "Agent.Id": "1",
        "Agent.JobName": instance.display_name,
        "Agent.JobStatus": "Succeeded",
        "Agent.MachineName": platform.node(),
        "Agent.Name": "Hosted Agent",
        "Agent.OS": "Darwin" if platform.system() == "Darwin" else "Linux",
        "Agent.OSArchitecture": _ARCHITECTURES.get(platform.machine(), "X64"),
        "Agent.TempDirectory": str(folders.temporary),
        "Agent.ToolsDirectory": str(folders.tools),
        "Agent.WorkFolder": str(folders.workspace.parent),
        "TF_BUILD": "True",
    }


def _of_folders(folders: Folders) -> dict[str, str]:
    return {
        "Build.ArtifactStagingDirectory": str(folders.staging),
        "Build.BinariesDirectory": str(folders.workspace / "b"),
        "Build.Repository.LocalPath": str(folders.sources),
        "Build.SourcesDirectory": str(folders.sources),
        "Build.StagingDirectory": str(folders.staging),
        "Common.TestResultsDirectory": str(folders.workspace / "TestResults"),
        "Pipeline.Workspace": str(folders.workspace),
        "System.ArtifactsDirectory": str(folders.staging),
        "System.DefaultWorkingDirectory": str(folders.sources),
    }


def _of_system(facts: RunFacts, stage: Stage, instance: Instance) -> dict[str, str]:
    job = instance.job
    plan = stand_in_id(facts.commit, facts.pipeline)
    job_id = stand_in_id(facts.commit, stage.name, job.name, instance.key)
    hub = f"{facts.collection}{facts.project}/_apis/distributedtask/hubs/build"
    return {
        "System.JobAttempt": "1",
        "System.JobDisplayName": instance.display_name,
        "System.JobId": job_id,
        "System.JobIdentifier": f"{stage.name}.{job.name}.{instance.key or '__default'}",
        "System.JobName": instance.key or ("__default" if instance.hook is None else job.name),
        "System.OidcRequestUri": f"{hub}/plans/{plan}/jobs/{job_id}/oidctoken",
        "System.PhaseAttempt": "1",
        "System.PhaseDisplayName": job.display_name or job.name,
        "System.PhaseName": job.name,
        "System.PlanId": plan,
        "System.StageAttempt": "1",
        "System.StageDisplayName": stage.display_name or stage.name,
        "System.StageName": stage.name,
        "System.TimelineId": plan,
    }

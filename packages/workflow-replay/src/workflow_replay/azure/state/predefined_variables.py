"""The predefined variables of a run and of a job. No I/O.

By default all URLs are in the reserved domain `invalid` (RFC 2606), which no resolver knows: a step that follows one of
them does not reach the real service. There is no System.OidcRequestUri: the replay cannot issue OIDC tokens, and a
library that finds the variable prefers it to every other login.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from workflow_replay.azure.ids import BUILD_ID, stable_id
from workflow_replay.azure.pipeline.model import Stage
from workflow_replay.azure.state.job_instances import Instance
from workflow_replay.common.architecture import architecture

WRITABLE = frozenset({"build.clean", "system.debug"})


@dataclass(frozen=True)
class RunFacts:
    """What is known before a run starts; `server_url` has no trailing slash."""

    pipeline: str
    server_url: str
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
        """The URL of the organization."""
        return f"{self.server_url}/{self.organization}/"


@dataclass(frozen=True)
class Folders:
    """The folders of a job."""

    workspace: Path
    temporary: Path
    tools: Path

    @property
    def sources(self) -> Path:
        """The folder of the checkout."""
        return self.workspace / "s"

    @property
    def staging(self) -> Path:
        """The folder for artifacts to publish."""
        return self.workspace / "a"

    def create(self) -> None:
        """Create all of them."""
        for folder in (self.sources, self.staging, self.workspace / "b", self.workspace / "TestResults"):
            folder.mkdir(parents=True, exist_ok=True)
        self.temporary.mkdir(parents=True, exist_ok=True)
        self.tools.mkdir(parents=True, exist_ok=True)


def run_variables(facts: RunFacts) -> dict[str, str]:
    """Return the variables that are known when the file is read."""
    branch = facts.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    repository = facts.repository.name.removesuffix(".git") or "repository"
    return {
        "Build.BuildId": BUILD_ID,
        "Build.BuildUri": f"vstfs:///Build/Build/{BUILD_ID}",
        "Build.DefinitionName": facts.pipeline,
        "Build.DefinitionVersion": "1",
        "Build.QueuedBy": facts.requested_for,
        "Build.Reason": facts.reason,
        "Build.Repository.ID": stable_id(facts.organization, facts.project, repository),
        "Build.Repository.Name": repository,
        "Build.Repository.Provider": "TfsGit",
        "Build.Repository.Uri": f"{facts.collection}{facts.project}/_git/{repository}",
        "Build.RequestedFor": facts.requested_for,
        "Build.RequestedForEmail": facts.requested_for_email,
        "Build.SourceBranch": facts.ref,
        "Build.SourceBranchName": branch.rsplit("/", 1)[-1],
        "Build.SourceVersion": facts.commit,
        "Build.SourceVersionMessage": facts.message.splitlines()[0] if facts.message else "",
        "System.CollectionId": stable_id(facts.organization),
        "System.CollectionUri": facts.collection,
        "System.DefinitionId": "1",
        "System.HostType": "build",
        "System.PipelineStartTime": facts.started.strftime("%Y-%m-%d %H:%M:%S+00:00"),
        "System.TeamFoundationCollectionUri": facts.collection,
        "System.TeamFoundationServerUri": facts.collection,
        "System.TeamProject": facts.project,
        "System.TeamProjectId": stable_id(facts.organization, facts.project),
        **facts.extra,
    }


def job_variables(facts: RunFacts, stage: Stage, instance: Instance, folders: Folders) -> dict[str, str]:
    """Return the variables that are known when a job starts."""
    job = instance.job
    found = {
        **_agent_variables(instance, folders),
        **_folder_variables(folders),
        **_system_variables(facts, stage, instance),
    }
    found |= instance.variables
    if job.environment is not None:
        found["Environment.Name"] = job.environment.name
        found["Environment.Id"] = "1"
        if job.environment.resource:
            found["Environment.ResourceName"] = job.environment.resource
    return found


def _agent_variables(instance: Instance, folders: Folders) -> dict[str, str]:
    return {
        "Agent.BuildDirectory": str(folders.workspace),
        "Agent.HomeDirectory": str(folders.workspace.parent),
        "Agent.Id": "1",
        "Agent.JobName": instance.display_name,
        "Agent.JobStatus": "Succeeded",
        "Agent.MachineName": platform.node(),
        "Agent.Name": "Hosted Agent",
        "Agent.OS": "Darwin" if platform.system() == "Darwin" else "Linux",
        "Agent.OSArchitecture": architecture(),
        "Agent.TempDirectory": str(folders.temporary),
        "Agent.ToolsDirectory": str(folders.tools),
        "Agent.WorkFolder": str(folders.workspace.parent),
        "TF_BUILD": "True",
    }


def _folder_variables(folders: Folders) -> dict[str, str]:
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


def _system_variables(facts: RunFacts, stage: Stage, instance: Instance) -> dict[str, str]:
    job = instance.job
    plan = stable_id(facts.commit, facts.pipeline)
    job_id = stable_id(facts.commit, stage.name, job.name, instance.key)
    return {
        "System.JobAttempt": "1",
        "System.JobDisplayName": instance.display_name,
        "System.JobId": job_id,
        "System.JobIdentifier": f"{stage.name}.{job.name}.{instance.key or '__default'}",
        "System.JobName": instance.key or ("__default" if instance.hook is None else job.name),
        "System.PhaseAttempt": "1",
        "System.PhaseDisplayName": job.display_name or job.name,
        "System.PhaseName": job.name,
        "System.PlanId": plan,
        "System.StageAttempt": "1",
        "System.StageDisplayName": stage.display_name or stage.name,
        "System.StageName": stage.name,
        "System.TimelineId": plan,
    }

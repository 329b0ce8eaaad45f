"""Who trains: the pipeline of a CI system, as its variables say, or somebody's own machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mlops.ci.azure_pipelines import AzurePipelines
from mlops.ci.current import current
from mlops.ci.github import GitHubActions

WORKSTATION: Final = "urn:mlops:builder:workstation"
UNKNOWN: Final = "urn:mlops:builder:unknown"
# The tags of a registered model version that remember its builder.
BUILDER_TAG: Final = "builder"
RUN_TAG: Final = "builder_run"
SOURCE_TAG: Final = "source"


@dataclass(frozen=True)
class Builder:
    """A builder by the address of its definition and branch, the address of the run, and that of the source."""

    id: str
    run: str = ""
    source: str = ""

    def tags(self) -> dict[str, str]:
        """What is noted of it at a model version."""
        return {BUILDER_TAG: self.id, RUN_TAG: self.run, SOURCE_TAG: self.source}


def builder_of(tags: Mapping[str, str] | None) -> Builder:
    """The builder that a model version's tags name; an unknown one for a version of before, or of others."""
    found = tags or {}
    return Builder(found.get(BUILDER_TAG) or UNKNOWN, found.get(RUN_TAG, ""), found.get(SOURCE_TAG, ""))


def current_builder(environment: Mapping[str, str] = os.environ) -> Builder:
    """The builder that runs this process."""
    match current(environment):
        case GitHubActions():
            return _github(environment)
        case AzurePipelines():
            return _azure(environment)
        case _:
            return Builder(WORKSTATION)


def _github(environment: Mapping[str, str]) -> Builder:
    """By the workflow that was triggered: a reusable one has no name of its own in GitHub's variables."""
    server = environment.get("GITHUB_SERVER_URL", "")
    source = f"{server}/{environment.get('GITHUB_REPOSITORY', '')}"
    attempt = environment.get("GITHUB_RUN_ATTEMPT", "1")
    run = f"{source}/actions/runs/{environment.get('GITHUB_RUN_ID', '')}/attempts/{attempt}"
    return Builder(f"{server}/{environment.get('GITHUB_WORKFLOW_REF', '')}", run, source)


def _azure(environment: Mapping[str, str]) -> Builder:
    project = environment.get("SYSTEM_COLLECTIONURI", "") + environment.get("SYSTEM_TEAMPROJECT", "")
    definition = environment.get("SYSTEM_DEFINITIONID", "")
    branch = environment.get("BUILD_SOURCEBRANCH", "")
    run = f"{project}/_build/results?buildId={environment.get('BUILD_BUILDID', '')}"
    source = f"{project}/_git/{environment.get('BUILD_REPOSITORY_NAME', '')}"
    return Builder(f"{project}/_build?definitionId={definition}@{branch}", run, source)

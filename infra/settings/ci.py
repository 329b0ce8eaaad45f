"""The settings of CI's identities across the stages: the deployed stages, Pulumi's state, and who is trusted.

The identity that deploys models to one stage belongs to that stage's own stack.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from naming import SHARED
from settings.fields import Format, Frozen, Guid, HttpsAddress, ProjectName, StageName, WorkspaceContainer
from settings.platform import Naming, Tags
from settings.project import ProjectStages
from settings.stage import Azure, GitHub


class Environment(StrEnum):
    """The environments (GitHub) or service connections (Azure DevOps) that log in and belong to no single stack."""

    GATE = "gate"
    PROMOTION = "promotion"
    RETRAINING = "retraining"
    INFRA_PREVIEW = "infra-preview"


def stack_environment(stack: str) -> str:
    """The environment whose identity deploys a stack."""
    return f"infra-{stack}"


class State(Frozen):
    """Where Pulumi keeps its state, and the key that encrypts secrets in it. Both are created by hand."""

    subscription_id: Guid
    """Where both are."""
    resource_group: str = Field(default="rg-pulumi-state", pattern=r"^[\w().-]{1,90}$")
    """Of both."""
    storage_account: str = Field(pattern=r"^[a-z0-9]{3,24}$")
    """Where the state is."""
    container: str = Field(default="state", pattern=r"^[a-z0-9-]{3,63}$")
    """Where in it."""
    key_vault: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{2,23}$")
    """Where the key is."""
    key: str = Field(default="pulumi", pattern=r"^[A-Za-z0-9-]{1,127}$")
    """The key's name."""


class ServiceConnections(Frozen):
    """The service connections by name, each with the subject that its page shows; the issuer is the same for all."""

    issuer: HttpsAddress
    """Who signs their tokens."""
    subjects: dict[str, str] = Field(min_length=1)
    """By name: gate, promotion, retraining, infra-preview, infra-shared, and one per stack."""


class Trust(Frozen):
    """Whose tokens are accepted. No secret is stored: tokens are federated."""

    github: GitHub | None = None
    azure_devops: ServiceConnections | None = None


class LabelledRequests(Frozen):
    """Where a stage keeps its requests' outcomes, as far as its own stack does not say."""

    labels_container: WorkspaceContainer
    """The container of the workspace's default datastore: Azure names it when the workspace is created."""


class CiSettings(Frozen):
    """Everything about the stack of CI's identities."""

    format: Format
    kind: Literal["ci"]
    project_stages: ProjectStages
    azure: Azure
    project: ProjectName
    """`name` in project.yml."""
    stages: dict[StageName, Guid] = Field(min_length=1)
    """The stages that are deployed, each with its subscription: rights are granted on what exists."""
    shared_subscription_id: Guid
    """Of the stack `shared`."""
    state: State
    ci: Trust
    tags: Tags = Field(default_factory=dict)
    """As in a stage."""
    naming: Naming = Naming()
    stack_namings: dict[str, Naming] = Field(default_factory=dict)
    """`naming` of every stack, read from its file."""
    shared_images: bool = False
    """Whether the shared stack has a registry for images, read from its file."""
    retraining_reads: dict[StageName, LabelledRequests] = Field(default_factory=dict)
    """The stages whose requests and outcomes `retraining` may use as training data: none by default."""

    @property
    def deployed(self) -> tuple[str, ...]:
        """The deployed stages, in the order of project.yml."""
        return tuple(stage for stage in self.project_stages.names if stage in self.stages)

    @property
    def environments(self) -> tuple[str, ...]:
        """Every environment that gets an identity: those across the stacks, and one per deployed stack."""
        return (*Environment, *(stack_environment(stack) for stack in (SHARED, *self.deployed)))

"""The settings of CI's identities across the stages: which stacks there are, where Pulumi's state is, who is trusted.

The identity that rolls out to one stage belongs to that stage's own stack.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from settings.combinations import missing_ids
from settings.fields import Frozen, Guid, HttpsAddress, ProjectName, StageName, WorkspaceContainer
from settings.stage import Azure, GitHub

TRAINING_STAGE, NEXT_STAGE = "dev", "staging"


class Environment(StrEnum):
    """The environments (GitHub) or service connections (Azure DevOps) that log in as an identity of their own."""

    GATE = "gate"
    PROMOTION = "promotion"
    RETRAINING = "retraining"
    INFRA_PREVIEW = "infra-preview"
    INFRA_SHARED = "infra-shared"
    INFRA_DEV = "infra-dev"
    INFRA_STAGING = "infra-staging"
    INFRA_PROD = "infra-prod"

    @staticmethod
    def of_stack(stack: str) -> Environment:
        """The one that brings a stack up. Raises ValueError for a stack that CI does not bring up."""
        return Environment(f"infra-{stack}")


class State(Frozen):
    """Where Pulumi keeps its state, and the key that encrypts secrets in it: both are made by hand."""

    subscription_id: Guid
    resource_group: str = Field(default="rg-pulumi-state", pattern=r"^[\w().-]{1,90}$")
    storage_account: str = Field(pattern=r"^[a-z0-9]{3,24}$")
    container: str = Field(default="state", pattern=r"^[a-z0-9-]{3,63}$")
    key_vault: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{2,23}$")
    key: str = Field(default="pulumi", pattern=r"^[A-Za-z0-9-]{1,127}$")


class ServiceConnections(Frozen):
    """The service connections by name, each with the subject that its page shows; the issuer is the same for all."""

    issuer: HttpsAddress
    subjects: dict[Environment, str] = Field(min_length=1)


class Trust(Frozen):
    """Whose tokens are accepted. Nothing is stored anywhere: they are federated."""

    github: GitHub | None = None
    azure_devops: ServiceConnections | None = None


class AskedRows(Frozen):
    """Where a stage keeps what it was asked and what became of it, as far as its own stack does not say."""

    labels_container: WorkspaceContainer
    """The container of the workspace's own datastore: Azure names it when the workspace is made."""


class CiSettings(Frozen):
    """Everything about the stack of CI's identities."""

    kind: Literal["ci"]
    project: ProjectName
    azure: Azure
    stages: dict[StageName, Guid] = Field(min_length=1)
    """The stages that have been brought up, each with its subscription: rights are granted on what exists."""
    shared_subscription_id: Guid
    state: State
    ci: Trust
    retraining_reads: dict[StageName, AskedRows] = Field(default_factory=dict)
    """The stages of whose requests and outcomes `retraining` may make training data: none as shipped."""

    @model_validator(mode="after")
    def _together(self) -> CiSettings:
        problems = list(missing_ids(self.ci.github))
        if self.ci.github is None and self.ci.azure_devops is None:
            problems.append("ci is empty: name `github` or `azure_devops`, or nobody could log in")
        if self.ci.azure_devops is not None:
            subjects = list(self.ci.azure_devops.subjects.values())
            if len(set(subjects)) != len(subjects):
                problems.append("ci.azure_devops.subjects names a subject twice: each environment has its connection")
        problems += self._unreadable()
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _unreadable(self) -> Iterator[str]:
        for stage in self.retraining_reads:
            if stage in (TRAINING_STAGE, NEXT_STAGE):
                yield f"retraining_reads.{stage} grants nothing: `retraining` reads {stage}'s storage anyway; remove it"
            elif stage not in self.stages:
                yield f"retraining_reads.{stage} is of a stage that `stages` does not name; bring it up first"

    @property
    def environments(self) -> tuple[Environment, ...]:
        """Those that have something to do: the stacks that are there, and what reads them."""
        absent = {Environment.of_stack(stage) for stage in ("dev", "staging", "prod") if stage not in self.stages}
        return tuple(environment for environment in Environment if environment not in absent)

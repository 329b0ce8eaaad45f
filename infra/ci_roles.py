"""What CI's identities may do across the stages, as a table: each grant with its reason.

What CI may do when it deploys to one stage is in roles.py; ci.py declares the resources.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from conditions import only_roles, writes_only
from naming import SHARED
from roles import Role, group_roles, images_roles, registry_roles
from settings.ci import CiSettings, Environment, stack_environment

PULUMI_PROJECT = "infra"  # `name` in Pulumi.yaml
STATE = "state"


class CiScope(StrEnum):
    """What a role is granted on."""

    GROUP = "resource group"
    WORKSPACE = "workspace"
    STORAGE = "storage"
    COLLECTED = "collected container"
    LABELS = "labels container"
    TOPIC = "events topic"
    COMPUTE_IDENTITY = "compute identity"
    ENDPOINT_IDENTITY = "endpoint identity"
    REGISTRY = "model registry"
    IMAGES = "shared images"
    STATE = "state container"
    STATE_KEY = "state key"


@dataclass(frozen=True)
class CiGrant:
    """One role for the identity of one environment on one scope of a stack, and why; `condition` limits it further."""

    environment: str
    role: Role
    scope: CiScope
    stack: str
    reason: str
    condition: str = ""


def ci_grants(settings: CiSettings) -> tuple[CiGrant, ...]:
    """Every grant to the identities that work across the deployed stages."""
    stacks = (SHARED, *settings.deployed)
    grants = [*_gate(settings), *_promotion(settings), *_retraining(settings), *_preview(stacks)]
    for stack in stacks:
        grants += _deploying(settings, stack)
    return tuple(grants)


def _gate(settings: CiSettings) -> Iterator[CiGrant]:
    """It runs code that is not reviewed yet: it reads, and of later stages' data only what drift is measured on."""
    who = Environment.GATE
    for stage in settings.deployed:
        yield CiGrant(who, Role.READER, CiScope.GROUP, stage, "looks up models, jobs and endpoints")
        if stage == settings.project_stages.training:
            yield CiGrant(who, Role.BLOB_READER, CiScope.STORAGE, stage, "downloads packages and held-out rows")
        else:
            yield CiGrant(who, Role.BLOB_READER, CiScope.COLLECTED, stage, "measures drift on recent inputs")
    yield CiGrant(who, Role.READER, CiScope.REGISTRY, SHARED, "downloads the models of later stages")


def _promotion(settings: CiSettings) -> Iterator[CiGrant]:
    who, stages = Environment.PROMOTION, settings.project_stages
    for stage in settings.deployed:
        yield CiGrant(who, Role.READER, CiScope.GROUP, stage, "looks up what runs, and how it has performed")
        # No smaller built-in role may read an endpoint's key, or register a record.
        if stage == stages.training:
            asks = "sends golden requests to the live endpoint"
            yield CiGrant(who, Role.DATA_SCIENTIST, CiScope.WORKSPACE, stage, asks)
            yield CiGrant(who, Role.BLOB_READER, CiScope.STORAGE, stage, "downloads packages and held-out rows")
        else:
            last = stages.is_production(stage)
            notes = "registers audit records" if last else "registers audit records, queries the live endpoint"
            yield CiGrant(who, Role.DATA_SCIENTIST, CiScope.WORKSPACE, stage, notes)
            reads = "reads recent inputs, writes audit records"
            yield CiGrant(who, Role.BLOB_CONTRIBUTOR, CiScope.STORAGE, stage, reads)
            submits = "the monitoring job runs as the compute identity"
            yield CiGrant(who, Role.IDENTITY_OPERATOR, CiScope.COMPUTE_IDENTITY, stage, submits)
            yield CiGrant(who, Role.EVENT_SENDER, CiScope.TOPIC, stage, "monitoring publishes drift")
    yield CiGrant(who, Role.REGISTRY_USER, CiScope.REGISTRY, SHARED, "shares the promoted model with every stage")


def _retraining(settings: CiSettings) -> Iterator[CiGrant]:
    """It trains and deploys where models are trained, proposes for the next stage, and only reads elsewhere."""
    who, stages = Environment.RETRAINING, settings.project_stages
    for stage in settings.deployed:
        yield CiGrant(who, Role.READER, CiScope.GROUP, stage, "reads the trigger in the audit log, and what runs")
        if stage == stages.training:
            trains = "submits the training, registers, deploys"
            yield CiGrant(who, Role.DATA_SCIENTIST, CiScope.WORKSPACE, stage, trains)
            uploads = "uploads code, writes its audit records"
            yield CiGrant(who, Role.BLOB_CONTRIBUTOR, CiScope.STORAGE, stage, uploads)
            runs = "the training runs as the compute identity"
            yield CiGrant(who, Role.IDENTITY_OPERATOR, CiScope.COMPUTE_IDENTITY, stage, runs)
            serves = "assigns the endpoint identity to the deployment"
            yield CiGrant(who, Role.IDENTITY_OPERATOR, CiScope.ENDPOINT_IDENTITY, stage, serves)
            yield CiGrant(who, Role.EVENT_SENDER, CiScope.TOPIC, stage, "publishes what it has deployed")
        elif stage == stages.after_training:
            asks = "registers the gates' record, queries the live endpoint"
            yield CiGrant(who, Role.DATA_SCIENTIST, CiScope.WORKSPACE, stage, asks)
            reads = "reads recent inputs, writes audit records"
            yield CiGrant(who, Role.BLOB_CONTRIBUTOR, CiScope.STORAGE, stage, reads)
    for stage in settings.retraining_reads:
        # The workspace is readable already, as a part of the group.
        yield CiGrant(who, Role.BLOB_READER, CiScope.COLLECTED, stage, "trains on the stage's requests")
        yield CiGrant(who, Role.BLOB_READER, CiScope.LABELS, stage, "trains on the outcomes of those requests")
    yield CiGrant(who, Role.REGISTRY_USER, CiScope.REGISTRY, SHARED, "shares the proposed model with every stage")


def _preview(stacks: tuple[str, ...]) -> Iterator[CiGrant]:
    who = Environment.INFRA_PREVIEW
    for stack in stacks:
        yield CiGrant(who, Role.READER, CiScope.GROUP, stack, "compares what is deployed with what is declared")
    yield CiGrant(who, Role.BLOB_READER, CiScope.STATE, STATE, "reads the state; a preview writes none")
    yield CiGrant(who, Role.CRYPTO_USER, CiScope.STATE_KEY, STATE, "decrypts the stacks' data keys")


def _deploying(settings: CiSettings, stack: str) -> Iterator[CiGrant]:
    who, stages = stack_environment(stack), settings.project_stages
    # The shared stack grants people the right to read or use the registry.
    granted = frozenset({Role.READER, Role.REGISTRY_USER}) if stack == SHARED else group_roles(stages, stack)
    yield CiGrant(who, Role.CONTRIBUTOR, CiScope.GROUP, stack, "creates and changes what the stack declares")
    hands_out = "grants the roles of the stack's table, no other"
    yield CiGrant(who, Role.ACCESS_ADMINISTRATOR, CiScope.GROUP, stack, hands_out, _only(granted))
    if stack != SHARED:
        lets = f"lets {stack}'s identities use the registry, in no other role"
        limit = _only(registry_roles(stages, stack))
        yield CiGrant(who, Role.ACCESS_ADMINISTRATOR, CiScope.REGISTRY, SHARED, lets, limit)
        yield CiGrant(who, Role.READER, CiScope.REGISTRY, SHARED, "reads what the stage's identities may do there")
    if stack != SHARED and settings.shared_images:
        lets = f"lets {stack}'s identities use the shared images, in no other role"
        yield CiGrant(who, Role.ACCESS_ADMINISTRATOR, CiScope.IMAGES, SHARED, lets, _only(images_roles()))
        yield CiGrant(who, Role.READER, CiScope.IMAGES, SHARED, "reads what the stage's identities may do there")
    before = stages.before(stack) if stack != SHARED else None
    if before in settings.deployed:
        asks = f"lets {stack}'s CI identity read what {before} runs, in no other role"
        limit = _only(frozenset({Role.READER}))
        yield CiGrant(who, Role.ACCESS_ADMINISTRATOR, CiScope.WORKSPACE, before, asks, limit)
    keeps = "writes the stack's state, and no other's"
    yield CiGrant(who, Role.BLOB_CONTRIBUTOR, CiScope.STATE, STATE, keeps, writes_only(_state_of(stack)))
    yield CiGrant(who, Role.CRYPTO_USER, CiScope.STATE_KEY, STATE, "encrypts and decrypts the stack's data key")


def _state_of(stack: str) -> Iterator[str]:
    """Where Pulumi keeps a stack in a bucket of one's own (version 1 of the layout, pkg/backend/diy in its sources).

    Without meta.yaml, which holds the layout's version and is written with the very first stack.
    """
    yield f".pulumi/stacks/{PULUMI_PROJECT}/{stack}.*"
    for folder in ("history", "backups", "journal", "locks/organization"):
        yield f".pulumi/{folder}/{PULUMI_PROJECT}/{stack}/*"


def _only(roles: frozenset[Role]) -> str:
    return only_roles(role.id for role in roles)

"""Who of CI's identities may do what across the stages, as a table: each grant with its reason.

What CI may do when it rolls out to one stage stands in roles.py; the resources are made in ci.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from conditions import only_roles, writes_only
from naming import SHARED
from roles import REGISTRY_ROLES, Role, roles_granted_in
from settings.ci import NEXT_STAGE, TRAINING_STAGE, CiSettings, Environment

PULUMI_PROJECT = "infra"  # `name` in Pulumi.yaml
STATE = "state"


class Place(StrEnum):
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
    STATE = "state container"
    STATE_KEY = "state key"


@dataclass(frozen=True)
class CiGrant:
    """One role, to one identity, on one place of a stack, and why; `condition` limits it further."""

    who: Environment
    role: Role
    on: Place
    part: str
    reason: str
    condition: str = ""


def ci_grants(settings: CiSettings) -> tuple[CiGrant, ...]:
    """Every grant to the identities that work across the stages that exist."""
    stacks = (SHARED, *settings.stages)
    grants = [*_gate(settings), *_promotion(settings), *_retraining(settings), *_preview(stacks)]
    for stack in stacks:
        grants += _bringing_up(stack)
    return tuple(grants)


def _gate(settings: CiSettings) -> Iterator[CiGrant]:
    """It runs what nobody has reviewed yet: it reads, and of the later stages' data only what drift is measured on."""
    who = Environment.GATE
    for stage in settings.stages:
        yield CiGrant(who, Role.READER, Place.GROUP, stage, "asks which model, job and endpoint are there")
        if stage == TRAINING_STAGE:
            yield CiGrant(who, Role.BLOB_READER, Place.STORAGE, stage, "downloads packages and held-out rows")
        else:
            yield CiGrant(who, Role.BLOB_READER, Place.COLLECTED, stage, "measures drift on recent inputs")
    yield CiGrant(who, Role.READER, Place.REGISTRY, SHARED, "downloads the models that later stages run")


def _promotion(settings: CiSettings) -> Iterator[CiGrant]:
    who = Environment.PROMOTION
    for stage in settings.stages:
        yield CiGrant(who, Role.READER, Place.GROUP, stage, "asks what runs, and how it has been answering")
        # No smaller built-in role may ask an endpoint for its key, or register a record.
        if stage == TRAINING_STAGE:
            asks = "asks the live endpoint its golden questions"
            yield CiGrant(who, Role.DATA_SCIENTIST, Place.WORKSPACE, stage, asks)
            yield CiGrant(who, Role.BLOB_READER, Place.STORAGE, stage, "downloads packages and held-out rows")
        else:
            notes = "registers audit records" if stage == "prod" else "registers audit records, asks the live endpoint"
            yield CiGrant(who, Role.DATA_SCIENTIST, Place.WORKSPACE, stage, notes)
            yield CiGrant(who, Role.BLOB_CONTRIBUTOR, Place.STORAGE, stage, "reads recent inputs, writes audit records")
            submits = "the monitor's job runs as the compute identity"
            yield CiGrant(who, Role.IDENTITY_OPERATOR, Place.COMPUTE_IDENTITY, stage, submits)
            yield CiGrant(who, Role.EVENT_SENDER, Place.TOPIC, stage, "the monitor tells of drift")
    yield CiGrant(who, Role.REGISTRY_USER, Place.REGISTRY, SHARED, "shares the promoted model with every stage")


def _retraining(settings: CiSettings) -> Iterator[CiGrant]:
    """It trains and deploys where models are trained, proposes for the stage after it, and only reads elsewhere."""
    who = Environment.RETRAINING
    for stage in settings.stages:
        yield CiGrant(who, Role.READER, Place.GROUP, stage, "reads the cause in the audit log, and what runs")
        if stage == TRAINING_STAGE:
            yield CiGrant(who, Role.DATA_SCIENTIST, Place.WORKSPACE, stage, "submits the training, registers, deploys")
            yield CiGrant(who, Role.BLOB_CONTRIBUTOR, Place.STORAGE, stage, "uploads code, writes its audit records")
            runs = "the training runs as the compute identity"
            yield CiGrant(who, Role.IDENTITY_OPERATOR, Place.COMPUTE_IDENTITY, stage, runs)
            serves = "gives the deployment the endpoint identity"
            yield CiGrant(who, Role.IDENTITY_OPERATOR, Place.ENDPOINT_IDENTITY, stage, serves)
            yield CiGrant(who, Role.EVENT_SENDER, Place.TOPIC, stage, "tells of what it has deployed")
        elif stage == NEXT_STAGE:
            asks = "registers the gates' record, asks the live endpoint"
            yield CiGrant(who, Role.DATA_SCIENTIST, Place.WORKSPACE, stage, asks)
            yield CiGrant(who, Role.BLOB_CONTRIBUTOR, Place.STORAGE, stage, "reads recent inputs, writes audit records")
    for stage in settings.retraining_reads:
        # The workspace is read already, as a part of the group.
        yield CiGrant(who, Role.BLOB_READER, Place.COLLECTED, stage, "trains on what the stage was asked")
        yield CiGrant(who, Role.BLOB_READER, Place.LABELS, stage, "trains on what became of those requests")
    yield CiGrant(who, Role.REGISTRY_USER, Place.REGISTRY, SHARED, "shares the proposed model with every stage")


def _preview(stacks: tuple[str, ...]) -> Iterator[CiGrant]:
    who = Environment.INFRA_PREVIEW
    for stack in stacks:
        yield CiGrant(who, Role.READER, Place.GROUP, stack, "compares what is there with what is declared")
    yield CiGrant(who, Role.BLOB_READER, Place.STATE, STATE, "reads what was made; a preview writes no state")
    yield CiGrant(who, Role.CRYPTO_USER, Place.STATE_KEY, STATE, "decrypts the stacks' data keys")


def _bringing_up(stack: str) -> Iterator[CiGrant]:
    who = Environment.of_stack(stack)
    mine = REGISTRY_ROLES["dev"] if stack == SHARED else roles_granted_in(stack)
    yield CiGrant(who, Role.CONTRIBUTOR, Place.GROUP, stack, "makes and changes what the stack declares")
    yield CiGrant(
        who,
        Role.ACCESS_ADMINISTRATOR,
        Place.GROUP,
        stack,
        "hands out the roles of the stack's table, no other",
        _only(mine),
    )
    if stack != SHARED:
        registry = REGISTRY_ROLES[stack]
        yield CiGrant(
            who,
            Role.ACCESS_ADMINISTRATOR,
            Place.REGISTRY,
            SHARED,
            f"lets {stack}'s identities use the registry, in no other role",
            _only(registry),
        )
        yield CiGrant(who, Role.READER, Place.REGISTRY, SHARED, "looks at what the stage's identities may do there")
    yield CiGrant(
        who,
        Role.BLOB_CONTRIBUTOR,
        Place.STATE,
        STATE,
        "keeps the stack's state, and writes no other's",
        writes_only(_state_of(stack)),
    )
    yield CiGrant(who, Role.CRYPTO_USER, Place.STATE_KEY, STATE, "encrypts and decrypts the stack's data key")


def _state_of(stack: str) -> Iterator[str]:
    """Where Pulumi keeps a stack in a bucket of one's own (version 1 of the layout, pkg/backend/diy in its sources).

    Not among them: meta.yaml, which says the layout's version and is written with the first stack of all.
    """
    yield f".pulumi/stacks/{PULUMI_PROJECT}/{stack}.*"
    for folder in ("history", "backups", "journal", "locks/organization"):
        yield f".pulumi/{folder}/{PULUMI_PROJECT}/{stack}/*"


def _only(roles: frozenset[Role]) -> str:
    return only_roles(role.id for role in roles)

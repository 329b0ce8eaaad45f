"""Which settings of the stacks beside the stages do not go together: shared, ci and repository."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from naming import SHARED, WORKSPACE_LIMIT, Names
from settings.ci import CiSettings
from settings.project import ProjectStages
from settings.repository import RepositorySettings
from settings.shared import SharedSettings
from settings.stage_checks import missing_ids


def shared_problems(settings: SharedSettings) -> Iterator[str]:
    """Every rule that the shared stack's settings break."""
    naming = settings.naming
    names = Names(settings.project, SHARED, settings.azure.subscription_id, naming.prefix, naming.generation)
    name = names.model_registry
    if len(name) > WORKSPACE_LIMIT:
        yield f"project '{settings.project}' is too long: the registry '{name}' has more than {WORKSPACE_LIMIT}"
    if settings.azure.location not in settings.regions:
        yield f"regions lacks {settings.azure.location}, the registry's own region"
    if len(set(settings.regions)) != len(settings.regions):
        yield "regions lists a region twice"
    stages = settings.project_stages
    yield from _unknown("people.readers", settings.people.readers, stages)
    for stage in settings.people.users:
        if stage != stages.training:
            yield f"people.users.{stage}: people may publish from {stages.training} only, where models are trained"


def ci_problems(settings: CiSettings) -> Iterator[str]:
    """Every rule that the settings of CI's identities break."""
    yield from missing_ids(settings.ci.github)
    yield from _unknown("stages", settings.stages, settings.project_stages)
    devops = settings.ci.azure_devops
    if settings.ci.github is None and devops is None:
        yield "ci is empty: name `github` or `azure_devops`, or nothing could log in"
    if devops is not None:
        subjects = list(devops.subjects.values())
        if len(set(subjects)) != len(subjects):
            yield "ci.azure_devops.subjects lists a subject twice: each environment has a connection of its own"
        for name in devops.subjects:
            if name not in settings.environments:
                known = ", ".join(settings.environments)
                yield f"ci.azure_devops.subjects.{name}: unknown environment; these get an identity here: {known}"
    yield from _unusable_reads(settings)


def repository_problems(settings: RepositorySettings) -> Iterator[str]:
    """Every rule that the settings of repository protection break."""
    if settings.azure_devops is not None:
        known = settings.protection.azure_devops.environments
        for name in settings.azure_devops.environment_ids:
            if name not in known:
                yield f"azure_devops.environment_ids.{name}: unknown environment; releases/protection.yml has " + (
                    ", ".join(known)
                )


def _unusable_reads(settings: CiSettings) -> Iterator[str]:
    stages = settings.project_stages
    yield from _unknown("retraining_reads", settings.retraining_reads, stages)
    for stage in settings.retraining_reads:
        if stage in (stages.training, stages.after_training):
            yield f"retraining_reads.{stage} grants nothing: `retraining` reads {stage}'s storage anyway; remove it"
        elif stage in stages.names and stage not in settings.stages:
            yield f"retraining_reads.{stage}: `stages` does not list {stage}; deploy it first"


def _unknown(key: str, named: Iterable[str], stages: ProjectStages) -> Iterator[str]:
    for stage in named:
        if stage not in stages.names:
            yield f"{key}.{stage}: unknown stage; project.yml has {', '.join(stages.names)}"

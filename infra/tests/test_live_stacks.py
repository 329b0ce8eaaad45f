"""The real stacks of this repository: valid, complete, and as strict as their profile requires."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_network

import pytest
import yaml

from dry_run.result import DryRun
from dry_run.run import run_stack
from dry_run.stack_files import read_config, stack_names
from settings.ci import Environment, stack_environment
from settings.project import PROTECTION_FILE, ROOT, read_stages
from settings.reading import read_settings
from settings.stage import StageSettings
from stage_profile import RELAXATIONS
from tests.arm.export import body_of, has_model, model_of
from tests.arm.validation import problems_of
from tests.resources.checklist import CHECKLIST

STAGES = read_stages().names
STACKS = stack_names()


@cache
def live(stack: str) -> DryRun:
    return run_stack(stack)


def test_every_stage_of_project_yml_has_a_stack_file() -> None:
    assert {*STAGES, "shared", "ci", "repository"} == set(STACKS)


@pytest.mark.parametrize("stack", STACKS)
def test_resources_are_declared_once_and_fit_microsofts_models(stack: str) -> None:
    run = live(stack)
    ids = [record.id.lower() for record in run.resources if record.azure]
    modelled = [record for record in run.resources if record.azure and has_model(record)]
    assert not run.duplicates
    assert len(ids) == len(set(ids))
    assert not [problem for record in modelled for problem in problems_of(body_of(record), model_of(record))]


@pytest.mark.parametrize("stage", STAGES)
def test_stages_fulfil_the_checklist(stage: str) -> None:
    settings = read_settings(stage, read_config(stage))
    assert isinstance(settings, StageSettings)
    relaxed = set() if settings.strict else {relaxation.row for relaxation in RELAXATIONS}
    assert not [failure for row in CHECKLIST if row.name not in relaxed for failure in row.failures(live(stage))]


def test_networks_of_stages_can_be_peered() -> None:
    settings = [read_settings(stage, read_config(stage)) for stage in STAGES]
    spaces = [
        ip_network(each.network.address_space)
        for each in settings
        if isinstance(each, StageSettings) and each.network.address_space
    ]
    assert not any(a.overlaps(b) for a in spaces for b in spaces if a is not b)


def test_every_environment_of_the_workflows_has_an_identity() -> None:
    expected = yaml.safe_load((ROOT / PROTECTION_FILE).read_text(encoding="utf-8"))
    deploying = {stack_environment(stack) for stack in ("shared", *STAGES)}
    environments = {*STAGES, *Environment, *deploying}
    assert set(expected["github"]["environments"]) == environments
    assert set(expected["azure_devops"]["connections"]) == environments

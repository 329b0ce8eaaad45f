"""Azure's rules, row by row, over every variant of every stack and over the real stacks."""

from __future__ import annotations

import pytest

from dry_run.run import run_stack
from dry_run.stack_files import stack_names
from tests.conftest import VARIANTS, dry_run_of
from tests.resources.azure_rules import RULES, AzureRule

# What uses most of the program first: a broken rule shows after one run.
ORDER = ("prod-drift", "staging", *(each for each in VARIANTS if each not in ("prod-drift", "staging")))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name.replace(" ", "-"))
def test_azure_accepts_what_is_declared(rule: AzureRule) -> None:
    problems = (f"{variant}: {problem}" for variant in ORDER for problem in rule.check(dry_run_of(variant)))
    assert next(problems, None) is None


def test_the_real_stacks_keep_every_rule() -> None:
    runs = [run_stack(stack) for stack in stack_names()]
    assert not [f"{run.stack}: {problem}" for run in runs for rule in RULES for problem in rule.check(run)]


def test_every_rule_has_a_source_and_is_about_something() -> None:
    declared = {record.azure_type for variant in VARIANTS for record in dry_run_of(variant).resources}
    for rule in RULES:
        assert rule.source.startswith("https://")
        assert set(rule.types) <= declared, rule.name
    assert len({rule.name for rule in RULES}) == len(RULES)

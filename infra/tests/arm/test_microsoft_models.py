"""Every resource, in the form that Azure is sent, fits Microsoft's model of it at every depth."""

from __future__ import annotations

import pytest

from arm_kinds import KINDS
from dry_run.result import DryRun
from tests.arm.export import body_of, model_of
from tests.arm.validation import problems_of
from tests.conftest import dry_run_of


def test_every_resource_fits_microsofts_model(any_stack: DryRun) -> None:
    found = [
        f"{record.name}: {problem}"
        for record in any_stack.resources
        for problem in problems_of(body_of(record), model_of(record))
    ]
    assert not found, "\n".join(found)


def test_every_kind_of_the_template_has_a_model() -> None:
    assert all(kind.model for kind in KINDS.values())


@pytest.mark.parametrize(
    ("type_", "path", "value", "sentence"),
    [
        ("storage:StorageAccount", ("sku", "name"), "Standard_XYZ", "is not one of"),
        ("storage:StorageAccount", ("properties", "allowSharedKeyAccess"), "no", "is not true or false"),
        ("containerservice:ManagedCluster", ("properties", "enableRbac"), True, "unknown property"),
        ("machinelearningservices:Compute", ("properties", "properties", "vmPriority"), "Cheap", "is not one of"),
        ("eventgrid:SystemTopicEventSubscription", ("properties", "eventDeliverySchema"), "X", "is not one of"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) and ":" in value else None,
)
def test_the_validation_finds_what_is_wrong(type_: str, path: tuple[str, ...], value: object, sentence: str) -> None:
    record = dry_run_of("prod").of(type_)[0]
    body = body_of(record)
    branch = body
    for part in path[:-1]:
        branch = branch[part]
    branch[path[-1]] = value
    assert any(sentence in problem for problem in problems_of(body, model_of(record)))

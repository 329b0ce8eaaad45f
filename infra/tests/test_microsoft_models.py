"""Every resource, as Azure would be sent it, fits Microsoft's own model of it at every depth."""

from __future__ import annotations

import pytest

from rehearsal.records import Rehearsal
from tests.arm.export import body_of, model_of
from tests.arm.validation import problems_of
from tests.conftest import rehearsal_of


def test_every_resource_fits_microsofts_model(any_rehearsal: Rehearsal) -> None:
    found = [
        f"{record.name}: {problem}"
        for record in any_rehearsal.resources
        for problem in problems_of(body_of(record), model_of(record))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("type_", "path", "value", "sentence"),
    [
        ("storage:StorageAccount", ("sku", "name"), "Standard_XYZ", "is none of"),
        ("storage:StorageAccount", ("properties", "allowSharedKeyAccess"), "no", "is not true or false"),
        ("containerservice:ManagedCluster", ("properties", "enableRbac"), True, "knows no such property"),
        ("machinelearningservices:Compute", ("properties", "properties", "vmPriority"), "Cheap", "is none of"),
        ("eventgrid:SystemTopicEventSubscription", ("properties", "eventDeliverySchema"), "X", "is none of"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) and ":" in value else None,
)
def test_the_validation_finds_what_is_wrong(type_: str, path: tuple[str, ...], value: object, sentence: str) -> None:
    record = rehearsal_of("prod").of(type_)[0]
    body = body_of(record)
    place = body
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    assert any(sentence in problem for problem in problems_of(body, model_of(record)))

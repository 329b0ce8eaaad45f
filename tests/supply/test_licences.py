"""The licences that are recorded are those of the packages, and the bills of materials name them."""

from __future__ import annotations

from contextlib import suppress
from email.message import EmailMessage
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
from licences import accepted_packages, licence_in, recorded_licences
from locked import ENVIRONMENTS, environment_pins
from sbom import describe

ROOT = Path(__file__).parents[2]


def test_what_environments_pin_has_the_licence_that_its_metadata_state() -> None:
    recorded = recorded_licences(ROOT)
    pinned = {name for file in sorted((ROOT / ENVIRONMENTS).glob("*.conda.yml")) for name in environment_pins(file)}
    stated = {}
    for name in pinned:
        with suppress(PackageNotFoundError):
            stated[name] = licence_in(metadata(name)) or recorded[name]

    assert pinned <= recorded.keys()
    assert len(stated) > len(pinned) // 2
    assert {name: recorded[name] for name in stated} == stated


def test_a_bill_names_licences_and_why_a_proprietary_package_and_a_beta_are_used() -> None:
    licences, accepted = recorded_licences(ROOT), accepted_packages(ROOT)
    found = {}
    for name in ("numpy", "polars", "azureml-inference-server-http", "azure-monitor-opentelemetry-exporter"):
        component: dict = {"name": name}
        describe(component, licences, accepted)
        found[name] = component

    assert found["polars"] == {"name": "polars", "licenses": [{"license": {"id": "MIT"}}]}
    assert "AND" in found["numpy"]["licenses"][0]["expression"]
    assert found["azureml-inference-server-http"]["licenses"] == [{"license": {"name": "LicenseRef-Proprietary"}}]
    for name in ("azureml-inference-server-http", "azure-monitor-opentelemetry-exporter"):
        assert [each["name"] for each in found[name]["properties"]] == ["mlops:why", "mlops:instead"]


@pytest.mark.parametrize(
    ("headers", "licence"),
    [
        ({"License-Expression": "MIT OR Apache-2.0"}, "MIT OR Apache-2.0"),
        ({"License": "BSD-2-Clause"}, "BSD-2-Clause"),
        ({"License": "MIT License"}, "MIT"),
        ({"Classifier": "License :: OSI Approved :: Apache Software License"}, "Apache-2.0"),
        ({"Classifier": "License :: Other/Proprietary License", "License": "MIT"}, "LicenseRef-Proprietary"),
        (
            {"Classifier": "License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"},
            "LGPL-3.0-or-later",
        ),
        ({"Classifier": "Programming Language :: Python"}, None),
    ],
)
def test_the_licence_in_metadata(headers: dict[str, str], licence: str | None) -> None:
    message = EmailMessage()
    for name, value in headers.items():
        message[name] = value

    assert licence_in(message) == licence  # ty: ignore[invalid-argument-type] - what importlib reads is such a message

"""The property checklist, row by row and stage by stage.

A development stage may relax what stage_profile.py lists, and nothing else.
"""

from __future__ import annotations

import pytest

from stage_profile import RELAXATIONS
from tests.conftest import STRICT_VARIANTS, dry_run_of
from tests.resources.checklist import CHECKLIST, EXCEPTIONS, Row, value_at

RELAXED = {relaxation.row: relaxation for relaxation in RELAXATIONS}
DEV_VARIANTS = ("dev", "dev-everything", "dev-drift")


def row_id(row: Row) -> str:
    return row.name.replace(" ", "-")


@pytest.mark.parametrize("variant", STRICT_VARIANTS)
@pytest.mark.parametrize("row", CHECKLIST, ids=row_id)
def test_strict_stages_fulfil(row: Row, variant: str) -> None:
    assert not row.failures(dry_run_of(variant))


@pytest.mark.parametrize("row", CHECKLIST, ids=row_id)
def test_development_fulfils_or_lists_the_reason(row: Row) -> None:
    failures = [failure for variant in DEV_VARIANTS for failure in row.failures(dry_run_of(variant))]
    if row.name in RELAXED:
        assert failures, f"dev fulfils '{row.name}' now: remove it from the list in stage_profile.py"
        assert len(RELAXED[row.name].reason) > 20
    else:
        assert not failures, f"{failures}: fulfil it, or list '{row.name}' in stage_profile.py with the reason"


def test_relaxations_name_rows_that_exist() -> None:
    assert set(RELAXED) <= {row.name for row in CHECKLIST}


def test_every_row_applies_somewhere() -> None:
    kinds = {row.type_ for row in CHECKLIST}
    assert all(dry_run_of("prod-drift").of(kind) for kind in kinds)


def test_exceptions_are_needed_and_explained() -> None:
    rows = {row.name: row for row in CHECKLIST}
    for name, excepted in EXCEPTIONS.items():
        for resource, reason in excepted.items():
            record = dry_run_of("prod-drift").one(rows[name].type_, resource)
            assert not all(check(value_at(record, path)) for path, check in rows[name].checks.items())
            assert len(reason) > 20


def test_the_vault_of_development_leaves_purge_protection_out() -> None:
    # Azure refuses false: the key must not be sent at all
    vault = dry_run_of("dev").one("keyvault:Vault")
    assert "enablePurgeProtection" not in vault.inputs["properties"]
    assert value_at(vault, "properties.softDeleteRetentionInDays") == 7

"""The table of mutations fits the CI files; mutations.py shows that each is caught."""

from __future__ import annotations

import pytest

from .mutations import LINTERS, ROOT, Mutation, read_mutations

MUTATIONS = read_mutations()
MIN_MUTATIONS = 15


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.file}: {mutation.title}")
def test_a_mutation_changes_its_file(mutation: Mutation) -> None:
    assert mutation.old in (ROOT / mutation.file).read_text()
    assert mutation.old != mutation.new


def test_linters_and_replays_both_catch_mutations() -> None:
    by_linters = sum(mutation.test == LINTERS for mutation in MUTATIONS)

    assert len(MUTATIONS) >= MIN_MUTATIONS
    assert 0 < by_linters < len(MUTATIONS) / 2

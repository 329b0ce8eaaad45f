"""The table of planted mistakes fits the files that it plants them in; that each is caught is shown by mistakes.py."""

from __future__ import annotations

import pytest

from .mistakes import LINTERS, MISTAKES, ROOT, Mistake

FEWEST = 15


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake.file}: {mistake.mistake}")
def test_a_mistake_changes_its_file(mistake: Mistake) -> None:
    assert mistake.old in (ROOT / mistake.file).read_text()
    assert mistake.old != mistake.new


def test_linters_and_replays_both_catch() -> None:
    by_linters = sum(mistake.test == LINTERS for mistake in MISTAKES)

    assert len(MISTAKES) >= FEWEST
    assert 0 < by_linters < len(MISTAKES) / 2

"""The page that says where each resource is declared is current and complete."""

from __future__ import annotations

from arm_kinds import KINDS
from tests.resource_page import PAGE, declared_in, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: uv run --directory infra python -m tests.resource_page"


def test_every_kind_has_a_place() -> None:
    assert set(KINDS) <= set(declared_in())

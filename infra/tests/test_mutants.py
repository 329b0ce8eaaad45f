"""The list of planted mistakes fits the program: each changes a file, and its test exists."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutations import FOLDER, Mutation, read_mutations


@pytest.mark.parametrize("mutation", read_mutations(), ids=lambda mutation: mutation.mistake)
def test_a_mistake_can_be_planted_and_has_its_test(mutation: Mutation) -> None:
    assert mutation.old in (FOLDER / mutation.file).read_text(encoding="utf-8")
    assert mutation.old != mutation.new
    file, _, name = mutation.test.partition("[")[0].partition("::")
    tree = ast.parse((Path(__file__).parent / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}

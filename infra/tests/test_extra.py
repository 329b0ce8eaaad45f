"""extra.py: the example of its docstring runs, and its resource gets what every resource gets."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

import pytest
from pulumi_azure_native import redis

import extra
from arm_kinds import Kind
from dry_run.kinds import kind_of
from dry_run.result import DryRun
from dry_run.run import run_stack
from inventory.diagram import diagram_of
from resources.base import BaseResources
from resources.context import Outputs
from resources.workspace.workspace import Workspace
from settings.reading import Settings
from settings.stage import StageSettings
from stage import build_stage
from tests.conftest import SAMPLE, changed

CACHE = "redis:Redis"


def example() -> str:
    """The indented block at the end of the docstring."""
    text = inspect.getdoc(extra.extra_resources) or ""
    return textwrap.dedent(text[text.index("    cache = ") :])


def with_example(base: BaseResources, workspace: Workspace) -> Outputs:
    source = "def declare(base, workspace):\n" + textwrap.indent(example(), "    ")
    scope: dict[str, Any] = {"redis": redis}
    exec(source, scope)  # noqa: S102 - the example of our own documentation
    return scope["declare"](base, workspace)


def run_with_example(monkeypatch: pytest.MonkeyPatch, stack: str) -> DryRun:
    # given the row that the docstring names
    monkeypatch.setitem(extra.KINDS, CACHE, Kind("Microsoft.Cache/redis/{name}", label="cache"))

    def program(settings: Settings) -> Outputs:
        assert isinstance(settings, StageSettings)
        return build_stage(settings, with_example)

    return run_stack(stack, changed(stack, {}), SAMPLE, program)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_example_declares_a_resource_like_any_other(monkeypatch: pytest.MonkeyPatch, stack: str) -> None:
    run = run_with_example(monkeypatch, stack)
    cache = run.one(CACHE)
    assert cache.id.endswith(f"/rg-credit-default-{stack}/providers/Microsoft.Cache/redis/redis-credit-default-{stack}")
    assert cache.inputs["tags"]["stage"] == stack
    assert cache.protect == (stack == "prod")
    assert "cache_host" in run.outputs
    assert cache.id in {record.inputs["resourceUri"] for record in run.of("monitor:DiagnosticSetting")}
    assert "cache<br/>redis-credit-default" in diagram_of(run)


def test_the_docstring_names_the_kind_that_the_example_needs() -> None:
    assert f'"{CACHE}": Kind("Microsoft.Cache/redis/{{name}}", label="cache")' in (extra.extra_resources.__doc__ or "")


def test_a_kind_without_a_row_says_what_to_add() -> None:
    with pytest.raises(
        LookupError, match=r"redis:Redis is an unknown kind; add its resource id to KINDS, in extra\.py"
    ):
        kind_of(CACHE)


def test_an_output_of_the_stage_cannot_be_overwritten() -> None:
    def program(settings: Settings) -> Outputs:
        assert isinstance(settings, StageSettings)
        return build_stage(settings, lambda *_: {"workspace": "mine"})

    with pytest.raises(ValueError, match=r"extra\.py returns the output workspace"):
        run_stack("dev", changed("dev", {}), SAMPLE, program)

"""Runs the program for one stack: real settings, real program, no engine."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pulumi
from pulumi.runtime import mocks, resource
from pulumi.runtime.proto import source_pb2
from pulumi.runtime.stack import run_pulumi_func

from dry_run.monitor import AzureMocks, RecordingMonitor
from dry_run.result import DryRun
from dry_run.stack_files import read_config
from program import build
from resources.context import Outputs
from settings.project import ROOT
from settings.reading import Settings, read_settings

PROJECT = "infra"


def run_stack(
    stack: str,
    config: Mapping[str, str] | None = None,
    root: Path = ROOT,
    program: Callable[[Settings], Outputs] = build,
    today: date | None = None,
) -> DryRun:
    """Run the program for a stack, with its file's configuration or a given one.

    `root` is the repository whose project.yml counts, `today` the date on which the program runs. Raises SettingsError
    for wrong settings, and what the program raises.
    """
    settings = read_settings(stack, config or read_config(stack), root, today)
    azure = getattr(settings, "azure", None)
    monitor = RecordingMonitor(AzureMocks(azure.subscription_id if azure else ""))
    outputs: dict[str, object] = {}

    async def run() -> None:
        pulumi.runtime.register_stack_transformation(without_aliases)
        outputs.update(await pulumi.Output.from_input(program(settings)).future() or {})

    with without_stack_traces(), asyncio.Runner() as runner:
        # Pulumi's mocks need an event loop before they are set.
        asyncio.set_event_loop(runner.get_loop())
        mocks.set_mocks(monitor.mocks, project=PROJECT, stack=stack, preview=False, monitor=monitor)
        # They are kept in context variables, which the runner would not see otherwise.
        runner.run(run_pulumi_func(run), context=contextvars.copy_context())
    # Declarations arrive in no fixed order: sorted, two runs with the same settings are equal.
    records = sorted(monitor.records, key=lambda record: (record.type, record.name))
    return DryRun(stack, tuple(records), outputs, tuple(monitor.duplicates))


@contextmanager
def without_stack_traces() -> Generator[None]:
    """Let declarations not say from where they were made, which only a real engine shows: a third of a run's time."""
    traced = resource._get_stack_trace
    resource._get_stack_trace = source_pb2.StackTrace  # ty: ignore[invalid-assignment] - called, it is an empty one
    try:
        yield
    finally:
        resource._get_stack_trace = traced


def without_aliases(declared: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    """A declaration without its former names, which only a real state needs: half of a run's time went into them."""
    declared.opts.aliases = None
    return pulumi.ResourceTransformationResult(declared.props, declared.opts)

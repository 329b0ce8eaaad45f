"""Rehearses one stack: real settings, real program, no engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime.stack import run_pulumi_func

from program import build
from rehearsal.monitor import Answers, KeepingMonitor
from rehearsal.records import Rehearsal
from rehearsal.stack_file import read_config
from settings.reading import Settings, read_settings

PROJECT = "infra"


def rehearse(stack: str, config: Mapping[str, str] | None = None) -> Rehearsal:
    """Run the program for a stack, with its file's configuration or a given one.

    Raises SettingsError for wrong settings, and whatever the program raises.
    """
    return rehearse_settings(stack, read_settings(stack, config or read_config(stack)))


def rehearse_settings(stack: str, settings: Settings) -> Rehearsal:
    """Run the program for settings."""
    azure = getattr(settings, "azure", None)
    monitor = KeepingMonitor(Answers(azure.subscription_id if azure else ""))
    # Pulumi's mocks want a loop to exist before they are set.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        mocks.set_mocks(monitor.mocks, project=PROJECT, stack=stack, preview=False, monitor=monitor)
        outputs: dict[str, object] = {}

        async def program() -> None:
            outputs.update(await pulumi.Output.from_input(build(settings)).future() or {})

        loop.run_until_complete(run_pulumi_func(program))
    finally:
        loop.close()
        asyncio.set_event_loop(None)
    # Declarations arrive in no fixed order: sorted, two runs of the same settings are equal.
    records = sorted(monitor.records, key=lambda record: (record.type, record.name))
    return Rehearsal(stack, tuple(records), outputs, tuple(monitor.duplicates))

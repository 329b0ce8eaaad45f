"""The processes of one step, as a unit: they start together, and the first failure ends them all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from azureml_emulator.jobs.definitions.distribution import HOST, Member
from azureml_emulator.jobs.definitions.steps import Step
from azureml_emulator.jobs.launching.launcher import Launch, Launcher, StepProcess
from azureml_emulator.kernel.background import run_once
from azureml_emulator.processes.disk_space import room_note
from azureml_emulator.processes.log_file import last_lines
from azureml_emulator.processes.shared_network import SharedNetwork

_LOG_LINES_IN_ERROR = 20


class StepFailed(Exception):
    """A step could not start or did not succeed; the message is for its author."""


@dataclass(frozen=True)
class _Failed:
    """The process that failed first, its exit code, negative for a signal, and the names of those that still ran."""

    member: Member
    launch: Launch
    code: int
    others: str


class ProcessGroup:
    """The processes of a step, one for each member of its distribution, in a network of their own if there is one."""

    def __init__(
        self, launcher: Launcher, launches: Sequence[tuple[Member, Launch]], network: SharedNetwork | None = None
    ) -> None:
        self._launcher = launcher
        self._network = network
        self._launches = launches
        self._running: dict[int, StepProcess] = {}

    async def start(self) -> None:
        """Start all of them, or none. Raises OSError."""
        try:
            joined = await self._network.open(self._launches[0][1].log) if self._network else None
            given = self._network.variables if self._network else {}
            for index, (_, launch) in enumerate(self._launches):
                made = replace(launch, network=joined, environment={**launch.environment, **given})
                self._running[index] = await self._launcher.start(made)
        except BaseException:
            await self.stop()
            raise

    async def run(self, step: Step) -> None:
        """Wait for the end, within the timeout of the step. Raises StepFailed. Cancelling it stops the processes."""
        try:
            async with asyncio.timeout(step.timeout):
                failed = await self._wait()
        except TimeoutError as error:
            late = self._names()
            await self.stop()
            which = f" Still running: {late}." if late else ""
            message = f"The step '{step.name}' exceeded its timeout of {step.timeout:g} s and was stopped.{which}"
            raise StepFailed(message) from error
        except asyncio.CancelledError:
            await self.stop()
            raise
        if failed is not None:
            which = f", {failed.member.name}," if failed.member.name else ""
            tail = "\n".join(last_lines(failed.launch.log, _LOG_LINES_IN_ERROR))
            full = room_note(failed.launch.log.parent, tail)
            # One that hangs makes another one fail, which has waited for it.
            late = f"Still running then: {failed.others}. " if failed.others else ""
            ending = _ending(failed.code)
            message = f"The step '{step.name}'{which} {ending}. {late}{full}The last lines of its log:\n{tail}"
            raise StepFailed(message)

    async def stop(self) -> None:
        """Stop what still runs."""
        await asyncio.gather(*(process.stop() for process in self._running.values()))
        if self._network is not None:
            await self._network.close()

    def _names(self) -> str:
        return ", ".join(name for index in self._running if (name := self._launches[index][0].name))

    async def _wait(self) -> _Failed | None:
        """Wait until all have succeeded, except those that serve others, or until one fails. Stops what still runs."""
        waiting = {
            run_once(process.wait(), f"waiting for {self._launches[index][1].identifier}"): index
            for index, process in self._running.items()
        }
        failed = None
        try:
            while failed is None and not all(self._launches[index][0].serves_others for index in self._running):
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task, index in sorted(((task, waiting.pop(task)) for task in done), key=lambda pair: pair[1]):
                    del self._running[index]
                    if task.result() != 0 and failed is None:
                        failed = _Failed(*self._launches[index], task.result(), self._names())
        finally:
            for task in waiting:
                task.cancel()
        await self.stop()
        return failed


def free_ports(count: int) -> list[int]:
    """Different ports of this machine that nobody listens on now."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def _ending(code: int) -> str:
    if code < 0:
        return f"was killed by signal {-code}"
    return f"exited with code {code}"

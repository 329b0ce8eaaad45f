"""Long-running operations: work that continues after the reply, and its status for polling.

The work itself is the caller's; the wire format is `http/control_plane/arm.py`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from azureml_emulator.kernel.background import run_once
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.errors import EmulatorError, disk_full, error_document
from azureml_emulator.kernel.store import Store

Status = Literal["InProgress", "Succeeded", "Failed", "Canceled"]
_TOPIC = "operation"
_INTERRUPTED = "The emulator stopped during this operation. Send the request again."
_UNSTORED = "The operation has ended, but there was no room on the disk to store how. Send the request again."


@dataclass(frozen=True)
class Operation:
    """One operation: its status, and the error code and message when it failed."""

    id: str
    target: str
    status: Status
    started: str
    ended: str | None = None
    code: str | None = None
    message: str | None = None


class Operations:
    """Starts operations as tasks, keeps their status in the store, and cancels them at the end of the process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, target: str, work: Coroutine[Any, Any, None]) -> Operation:
        """Run `work` in the background. When it raises an EmulatorError, the operation fails with it."""
        operation = Operation(self._clock.identifier(), target, "InProgress", self._clock.timestamp())
        self._save(operation)
        self._tasks[operation.id] = run_once(self._run(operation, work), f"the operation on {target}")
        return operation

    def get(self, identifier: str) -> Operation | None:
        """The operation with this id, or None."""
        value = self._store.record(_TOPIC, identifier)
        operation = Operation(**value) if value else None
        if operation is not None and operation.status == "InProgress" and identifier not in self._tasks:
            # Its end could not be stored.
            return replace(operation, status="Failed", ended=operation.started, code="Interrupted", message=_UNSTORED)
        return operation

    async def settle(self, operation: Operation, seconds: float) -> Operation:
        """Wait at most `seconds` for the end. Returns the operation as it is then."""
        task = self._tasks.get(operation.id)
        if task is not None:
            await asyncio.wait({task}, timeout=seconds)
        return self.get(operation.id) or operation

    def fail_interrupted(self) -> None:
        """At start: mark operations that the end of the last process interrupted as failed, with the reason."""
        for value in self._store.records(_TOPIC).values():
            operation = Operation(**value)
            if operation.status == "InProgress":
                self._end(operation, "Failed", "Interrupted", _INTERRUPTED)

    async def stop(self) -> None:
        """Cancel every running operation and wait for its end."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self, operation: Operation, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except EmulatorError as error:
            body = error_document(error)["error"]
            self._end(operation, "Failed", body["code"], body["message"])
        except asyncio.CancelledError:
            self._end(operation, "Failed", "Interrupted", _INTERRUPTED)
            raise
        except Exception as error:
            # A bug of the emulator must reach the caller as a failed operation instead of a poll that never ends.
            full = disk_full(error, self._store.folder)
            if full is None:
                self._end(operation, "Failed", "InternalServerError", f"{type(error).__name__}: {error}")
                raise
            self._end(operation, "Failed", full.error_code, full.message)
        else:
            self._end(operation, "Succeeded")
        finally:
            self._tasks.pop(operation.id, None)

    def _end(self, operation: Operation, status: Status, code: str | None = None, message: str | None = None) -> None:
        ended = self._clock.timestamp()
        self._save(replace(operation, status=status, ended=ended, code=code, message=message))

    def _save(self, operation: Operation) -> None:
        self._store.put_record(_TOPIC, operation.id, asdict(operation))

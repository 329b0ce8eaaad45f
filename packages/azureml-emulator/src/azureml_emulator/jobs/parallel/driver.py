"""Runs a plan: distributes mini-batches to worker processes, retries failures, and stops when there are too many.

One thread per worker process. Standard library only.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from azureml_emulator.jobs.definitions.steps import UNLIMITED
from azureml_emulator.jobs.parallel.logs import RunLogs
from azureml_emulator.jobs.parallel.mini_batches import MiniBatch
from azureml_emulator.jobs.parallel.plan import RunPlan
from azureml_emulator.jobs.parallel.progress import Progress
from azureml_emulator.jobs.parallel.worker_process import WorkerLost, WorkerProcess, WorkerTimeout

# The limit for init() of the entry script, like the service's first_task_creation_timeout.
INIT_SECONDS = 600.0


class Driver:
    """One run of a plan over its mini-batches."""

    def __init__(
        self, plan: RunPlan, batches: Sequence[MiniBatch], arguments: Sequence[str], logs: RunLogs, scratch: Path
    ) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._batches = batches
        self._arguments = [*arguments, "--logging_level", plan.settings.logging_level]
        self._logs = logs
        self._scratch = scratch
        self._waiting = deque((batch, 0) for batch in batches)
        self._progress = Progress(len(batches), plan.settings)
        self._under_way = 0
        self._changed = threading.Condition()
        self._broken: str | None = None

    def run(self) -> str | None:
        """Process all mini-batches. Returns why the run failed, or None."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        count = min(self._settings.workers, len(self._batches))
        self._logs.progress(f"{len(self._batches)} mini-batches, {count} processes")
        threads = [threading.Thread(target=self._work, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._append()
        reason = self._broken or self._progress.failure()
        self._logs.progress(f"{self._progress.sentence()}. {f'Failed: {reason}.' if reason else 'Succeeded.'}")
        return reason

    def _work(self, number: int) -> None:
        process: WorkerProcess | None = None
        try:
            while (taken := self._take()) is not None:
                process = process or self._start(number)
                if process is None:
                    return
                process = self._try(number, process, *taken)
        except OSError as error:
            self._break(f"a worker process failed: {error}")
        finally:
            if process is not None:
                process.finish()

    def _take(self) -> tuple[MiniBatch, int] | None:
        """The next mini-batch and how often it was tried; None when none is left or the run must stop."""
        with self._changed:
            while not self._waiting and self._under_way and self._broken is None:
                self._changed.wait()
            if self._broken is not None or not self._waiting:
                return None
            self._under_way += 1
            return self._waiting.popleft()

    def _start(self, number: int) -> WorkerProcess | None:
        process = WorkerProcess(number, self._plan, self._arguments, self._logs)
        try:
            reply = process.ready(INIT_SECONDS)
        except WorkerTimeout:
            reply = {"event": "broken", "error": f"init() took longer than {INIT_SECONDS:g} s", "trace": ""}
        except WorkerLost as error:
            reply = {"event": "broken", "error": f"init(): {error}", "trace": ""}
        if reply["event"] == "ready":
            return process
        process.kill()
        self._logs.error(number, f"The entry script could not be initialised: {reply['error']}", reply["trace"])
        self._break(f"the entry script could not be initialised: {reply['error']}")
        return None

    def _try(self, number: int, process: WorkerProcess, batch: MiniBatch, tried: int) -> WorkerProcess | None:
        """One attempt at a mini-batch. Returns the process, or None when it had to be killed."""
        begun = time.monotonic()
        try:
            reply = process.run(batch, self._rows(batch), self._settings.timeout)
        except WorkerTimeout:
            process.kill()
            self._failed(number, batch, tried, f"run() took longer than {self._settings.timeout:g} s", "")
            return None
        except WorkerLost as error:
            process.kill()
            self._failed(number, batch, tried, str(error), "")
            return None
        seconds = time.monotonic() - begun
        if reply["event"] == "broken":
            self._logs.error(number, f"Mini-batch {batch.index}: {reply['error']}.", reply["trace"])
            self._break(reply["error"])
        elif reply["event"] == "failed":
            self._failed(number, batch, tried, reply["error"], reply["trace"])
        else:
            self._done(number, batch, reply["items"], reply["returned"], seconds)
        return process

    def _done(self, number: int, batch: MiniBatch, items: int, returned: int, seconds: float) -> None:
        if batch.keys is not None and self._settings.max_failed_items == UNLIMITED:
            # One model per partition is a result for all of its rows.
            items = returned = max(1, returned)
        with self._changed:
            self._progress.returned(items, returned)
            self._settle()
        self._logs.node(number, f"mini-batch {batch.index}: {items} items, {returned} returned, {seconds:.3f} s")
        if returned < items:
            self._logs.error(number, f"Mini-batch {batch.index}: run() returned {returned} for {items} items.")
        self._logs.progress(self._progress.sentence())

    def _failed(self, number: int, batch: MiniBatch, tried: int, error: str, trace: str) -> None:
        again = tried < self._settings.retries
        what = "it will be retried" if again else f"it failed {tried + 1} times and counts as failed"
        self._logs.error(number, f"Mini-batch {batch.index}: {error}; {what}.", trace)
        with self._changed:
            if again:
                self._waiting.append((batch, tried + 1))
            else:
                self._rows(batch).unlink(missing_ok=True)
                self._progress.gave_up(batch.items or 0)
            self._settle()

    def _settle(self) -> None:
        """One running mini-batch has ended. Called with the lock held."""
        self._under_way -= 1
        self._broken = self._broken or self._progress.breach()
        self._changed.notify_all()

    def _break(self, reason: str) -> None:
        with self._changed:
            self._broken = self._broken or reason
            self._changed.notify_all()

    def _rows(self, batch: MiniBatch) -> Path:
        return self._scratch / f"{batch.index:08d}.rows"

    def _append(self) -> None:
        """Write what the script returned into one file, in the order of the mini-batches."""
        if self._plan.append_path is None:
            return
        target = Path(self._plan.append_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as whole:
            for batch in self._batches:
                if self._rows(batch).exists():
                    with self._rows(batch).open("rb") as part:
                        shutil.copyfileobj(part, whole)

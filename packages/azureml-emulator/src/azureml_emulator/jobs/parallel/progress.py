"""How far a parallel run is: what succeeded, what failed, and whether too much did. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass

from azureml_emulator.jobs.definitions.steps import UNLIMITED, ParallelSettings

_PERCENT = 100


@dataclass
class Progress:
    """Counts of mini-batches and of the items in them, and the settings that say how many may fail."""

    total: int
    settings: ParallelSettings
    succeeded: int = 0
    failed: int = 0
    items: int = 0
    failed_items: int = 0

    @property
    def ended(self) -> int:
        """How many mini-batches are done, successfully or not."""
        return self.succeeded + self.failed

    def returned(self, items: int, returned: int) -> None:
        """A call of run() came back. With fewer results than items, the mini-batch and the missing items failed."""
        missing = max(0, items - returned)
        self.items += items - missing
        self.failed_items += missing
        if missing:
            self.failed += 1
        else:
            self.succeeded += 1

    def gave_up(self, items: int) -> None:
        """Every attempt at a mini-batch failed, and its items with it."""
        self.failed += 1
        self.failed_items += items

    def breach(self) -> str | None:
        """Why the run must end now; None while it may go on."""
        limits = self.settings
        if limits.max_failed_batches != UNLIMITED and self.failed > limits.max_failed_batches:
            return f"{self.failed} mini-batches failed; mini_batch_error_threshold is {limits.max_failed_batches}"
        if limits.max_failed_items != UNLIMITED and self.failed_items > limits.max_failed_items:
            return f"{self.failed_items} items failed; error_threshold is {limits.max_failed_items}"
        if self.failed * _PERCENT > limits.max_failed_percent * self.total:
            return f"{self.failed} of {self.total} mini-batches failed; at most {limits.max_failed_percent} % may fail"
        return None

    def failure(self) -> str | None:
        """Why the run as a whole has failed, once it is over; None when it succeeded."""
        if self.ended and not self.items:
            return "No succeeded mini-batch item was returned from run()"
        return self.breach()

    def sentence(self) -> str:
        """The counts in one line."""
        return (
            f"{self.ended} of {self.total} mini-batches ended, {self.failed} of them failed; "
            f"{self.items} items succeeded, {self.failed_items} failed"
        )

"""What of a parallel run is done, failed or left, and whether that is too much. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass

from azureml_emulator.jobs.parallel.plan import Plan

_UNLIMITED = -1
_PERCENT = 100


@dataclass
class Tally:
    """Counts of mini-batches and of the items in them."""

    total: int
    succeeded: int = 0
    failed: int = 0
    items: int = 0
    failed_items: int = 0

    @property
    def ended(self) -> int:
        """How many mini-batches are done with, one way or the other."""
        return self.succeeded + self.failed

    def returned(self, items: int, returned: int) -> None:
        """A call of run() came back. For fewer things than it got, the mini-batch has failed, and those items have."""
        missing = max(0, items - returned)
        self.items += items - missing
        self.failed_items += missing
        if missing:
            self.failed += 1
        else:
            self.succeeded += 1

    def gave_up(self, items: int) -> None:
        """All tries of a mini-batch failed; its items with it."""
        self.failed += 1
        self.failed_items += items

    def breach(self, plan: Plan) -> str | None:
        """Why the run must end now; None when it may go on."""
        if plan.failed_batches != _UNLIMITED and self.failed > plan.failed_batches:
            return f"{self.failed} mini-batches failed; mini_batch_error_threshold is {plan.failed_batches}"
        if plan.failed_items != _UNLIMITED and self.failed_items > plan.failed_items:
            return f"{self.failed_items} items failed; error_threshold is {plan.failed_items}"
        if self.failed * _PERCENT > plan.failed_percent * self.total:
            return f"{self.failed} of {self.total} mini-batches failed; at most {plan.failed_percent} % may"
        return None

    def verdict(self, plan: Plan) -> str | None:
        """Why the run as a whole has failed, once it is over; None when it has not."""
        if self.ended and not self.items:
            return "No succeeded mini-batch item was returned from run()"
        return self.breach(plan)

    def sentence(self) -> str:
        """The counts in one line."""
        return (
            f"{self.ended} of {self.total} mini-batches ended, {self.failed} of them failed; "
            f"{self.items} items succeeded, {self.failed_items} failed"
        )

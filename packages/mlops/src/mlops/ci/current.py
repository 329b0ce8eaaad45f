"""The CI system that runs us, as its variables say; none on a person's own machine."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

from mlops.ci.azure_pipelines import AzurePipelines
from mlops.ci.base import System
from mlops.ci.github import GitHubActions
from mlops.core.source_location import Place

# Masking shorter values would hide every second word of a log.
_SHORTEST_SECRET: Final = 4


class NoSystem(System):
    """A person's own shell: what is printed is all there is."""

    name = ""
    summary_limit = 0

    def output(self, name: str, value: str) -> None:
        """Nobody takes it."""

    def summary(self, markdown: str) -> None:
        """There is no page."""

    def annotate(self, place: Place | None, message: str) -> None:
        """The error is printed anyway."""

    def mask(self, secret: str) -> None:
        """There is no log."""

    def open_group(self, title: str) -> None:
        """Nothing folds."""

    def close_group(self) -> None:
        """Nothing folds."""

    def harmless(self, line: str) -> str:
        """Nobody reads commands here."""
        return line


def current(environment: Mapping[str, str] = os.environ) -> System:
    """The system that runs us."""
    if environment.get("GITHUB_ACTIONS", "").lower() == "true":
        return GitHubActions(environment)
    if environment.get("TF_BUILD", "").lower() == "true":
        return AzurePipelines(environment)
    return NoSystem(environment)


def mask(secret: str) -> None:
    """Have a secret that was just learned hidden in the log of the system that runs us."""
    if len(secret) >= _SHORTEST_SECRET:
        current().mask(secret)


@contextmanager
def group(title: str) -> Generator[None]:
    """Lines that people fold."""
    system = current()
    system.open_group(title)
    try:
        yield
    finally:
        system.close_group()

"""The stages as `mlops stages list` shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlops.core.results import Block, Result, Table
from mlops.settings.project import Project


@dataclass(frozen=True)
class StageList(Result):
    """The stages of a project, in the order in which models move through them."""

    project: Project

    def document(self) -> dict[str, Any]:
        """The names and, for each stage, where its models come from."""
        order = self.project.order
        sources = {stage: None if stage == order.training else order.source_of(stage) for stage in order}
        return {"stages": [{"name": stage, "source": source} for stage, source in sources.items()]}

    def blocks(self) -> Sequence[Block]:
        """A row per stage."""
        order = self.project.order
        rows = []
        for number, stage in enumerate(order, start=1):
            takes = "trains them" if stage == order.training else f"from {order.source_of(stage)}"
            role = "production" if stage == order.production else ""
            rows.append((str(number), stage, takes, self.project.settings.stage(stage).endpoint, role))
        return [Table("", ("", "stage", "models", "endpoint", ""), tuple(rows))]

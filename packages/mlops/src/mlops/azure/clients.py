"""Clients of a project's workspaces and registry, made when first asked for and then kept."""

from __future__ import annotations

from threading import Lock

from azure.ai.ml import MLClient

from mlops.azure.workspace import connect, connect_registry
from mlops.settings.project import Project
from mlops.settings.stages import StageName


class WorkspaceClients:
    """The clients of one project. Safe to use from several threads."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._stages: dict[StageName, MLClient] = {}
        self._registry: MLClient | None = None
        self._lock = Lock()

    def stage(self, name: StageName) -> MLClient:
        """A stage's workspace."""
        with self._lock:
            if name not in self._stages:
                self._stages[name] = connect(self.project.settings.stage(name))
            return self._stages[name]

    @property
    def training(self) -> MLClient:
        """The workspace that every model comes from."""
        return self.stage(self.project.order.training)

    @property
    def registry(self) -> MLClient:
        """The registry that the stages share."""
        with self._lock:
            if self._registry is None:
                self._registry = connect_registry(self.project.settings.registry)
            return self._registry

    def models(self, stage: StageName) -> MLClient:
        """Where a stage takes its models from: the registry, or where it trains them itself."""
        return self.training if stage == self.project.order.training else self.registry

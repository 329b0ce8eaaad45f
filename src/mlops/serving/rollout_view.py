"""What an endpoint is seen to be, and what it is wanted to be: frozen values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BLUE: Final = "blue"
GREEN: Final = "green"
SUCCEEDED: Final = "Succeeded"
IN_PROGRESS: Final = frozenset({"Creating", "Updating", "Scaling", "Deleting"})
ALL_TRAFFIC: Final = 100


@dataclass(frozen=True)
class Deployment:
    """One deployment behind an endpoint, as the workspace reports it."""

    name: str
    state: str
    traffic: int
    model_version: str
    digest: str
    configuration: str


@dataclass(frozen=True)
class View:
    """An endpoint as observed at one moment; without an endpoint there is nothing else."""

    endpoint_exists: bool
    endpoint_state: str = ""
    scoring_uri: str = ""
    deployments: tuple[Deployment, ...] = ()

    def deployment(self, name: str) -> Deployment | None:
        """The deployment with this name."""
        return next((deployment for deployment in self.deployments if deployment.name == name), None)

    @property
    def live(self) -> Deployment | None:
        """The deployment with the most traffic; None when nobody has any."""
        busy = [deployment for deployment in self.deployments if deployment.traffic > 0]
        return max(busy, key=lambda deployment: deployment.traffic, default=None)

    @property
    def traffic(self) -> dict[str, int]:
        """Percent by deployment."""
        return {deployment.name: deployment.traffic for deployment in self.deployments}


@dataclass(frozen=True)
class Plan:
    """What the endpoint shall run: a model package by its digest, with a configuration by its fingerprint."""

    model_name: str
    model_version: str
    digest: str
    configuration: str

    def is_run_by(self, deployment: Deployment) -> bool:
        """Whether a deployment runs exactly this."""
        return (deployment.digest, deployment.configuration) == (self.digest, self.configuration)

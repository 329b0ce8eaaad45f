"""What a rollout sees of an endpoint: deployments, traffic, mirror and tags as frozen values. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

COLOURS = ("blue", "green")
FULL = 100

TAG_PHASE = "rollout-phase"
TAG_TO = "rollout-to"
TAG_FROM = "rollout-from"
TAG_DIGEST = "rollout-digest"
TAG_SINCE = "rollout-since"
TAG_OWNER = "rollout-owner"
TAG_LEASE = "rollout-lease-until"
TAG_REASON = "rollout-reason"
ROLLOUT_TAGS = (TAG_PHASE, TAG_TO, TAG_FROM, TAG_DIGEST, TAG_SINCE, TAG_OWNER, TAG_LEASE, TAG_REASON)
NOBODY = "none"

READY = "Succeeded"
FAILED = ("Failed", "Canceled")


@dataclass(frozen=True)
class Deployment:
    """One deployment: the model package it runs, by digest, and its provisioning state."""

    name: str
    model_version: str
    digest: str
    state: str

    @property
    def ready(self) -> bool:
        """Whether it can take traffic, as far as the control plane knows."""
        return self.state == READY


@dataclass(frozen=True)
class View:
    """An endpoint at one moment. `traffic` and `mirror` map deployment names to percentages."""

    deployments: Mapping[str, Deployment] = field(default_factory=lambda: MappingProxyType({}))
    traffic: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    mirror: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def live(self) -> str | None:
        """The deployment with the most traffic; None when nothing serves."""
        serving = {name: share for name, share in self.traffic.items() if share > 0}
        return max(serving, key=lambda name: (serving[name], name)) if serving else None

    @property
    def idle(self) -> str:
        """The colour that a new release goes to: one without traffic, the free one first."""
        without = [colour for colour in COLOURS if not self.traffic.get(colour)]
        free = [colour for colour in without if colour not in self.deployments]
        return (free or without or [COLOURS[0]])[0]

    @property
    def going_on(self) -> Progress | None:
        """The rollout that the tags describe; None when there is none, or when it has ended."""
        phase = self.tags.get(TAG_PHASE)
        if phase is None or TAG_TO not in self.tags:
            return None
        origin = self.tags.get(TAG_FROM, NOBODY)
        return Progress(
            phase=phase,
            to=self.tags[TAG_TO],
            origin=None if origin == NOBODY else origin,
            digest=self.tags.get(TAG_DIGEST, ""),
            since=datetime.fromisoformat(self.tags[TAG_SINCE]),
        )


@dataclass(frozen=True)
class Progress:
    """A rollout under way: its phase and since when, from which deployment to which, of which digest."""

    phase: str
    to: str
    origin: str | None
    digest: str
    since: datetime

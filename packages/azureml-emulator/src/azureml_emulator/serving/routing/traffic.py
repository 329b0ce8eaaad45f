"""The traffic split: which deployment gets a request, and which a copy of it. Pure: no I/O, randomness is injected.

Callers say which deployments exist and serve; this file decides whether a split is valid and where a request goes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from azureml_emulator.kernel.clock import RandomSource
from azureml_emulator.kernel.errors import InvalidTraffic

ALL_PERCENT = 100
MIRROR_LIMIT_PERCENT = 50
DEPLOYMENT_HEADER = "azureml-model-deployment"


@dataclass(frozen=True)
class Split:
    """Percent of live traffic by deployment, and at most one deployment that gets copies."""

    live: tuple[tuple[str, int], ...] = ()
    mirror: tuple[str, int] | None = None

    def pick(self, chance: RandomSource) -> str | None:
        """The deployment for one request, chosen by weight; None when no deployment has traffic."""
        if len(self.live) == 1:
            return self.live[0][0]
        point = chance() * ALL_PERCENT
        for name, percent in self.live:
            point -= percent
            if point < 0:
                return name
        return self.live[-1][0] if self.live else None

    def pick_mirror(self, chance: RandomSource) -> str | None:
        """The deployment that gets a copy of this request, or None."""
        if self.mirror is None:
            return None
        name, percent = self.mirror
        return name if chance() * ALL_PERCENT < percent else None


def read_split(
    traffic: Mapping[str, Any] | None,
    mirror: Mapping[str, Any] | None,
    *,
    existing: Collection[str],
    serving: Collection[str],
) -> Split:
    """The split in an endpoint's document, without deployments at 0 %.

    `existing` are the endpoint's deployments, `serving` those that have a server.
    Raises InvalidTraffic for anything that Azure refuses.
    """
    live = _percentages(traffic or {}, "traffic")
    copies = _percentages(mirror or {}, "mirrorTraffic")
    _check_targets({**live, **copies}, existing, serving)
    total = sum(live.values())
    if total not in {0, ALL_PERCENT}:
        raise InvalidTraffic(
            f"The traffic percentages add up to {total} ({_shown(live)}); they must add up to 0 or 100.",
            target="traffic",
        )
    _check_mirror(live, copies)
    sent = tuple((name, percent) for name, percent in live.items() if percent)
    copied = [(name, percent) for name, percent in copies.items() if percent]
    return Split(sent, copied[0] if copied else None)


def _percentages(given: Mapping[str, Any], target: str) -> dict[str, int]:
    for name, percent in given.items():
        whole = isinstance(percent, int) and not isinstance(percent, bool)
        if not whole or not 0 <= percent <= ALL_PERCENT:
            raise InvalidTraffic(
                f"The percentage of deployment '{name}' is {percent!r}; it must be an integer from 0 to 100.",
                target=target,
            )
    return dict(given)


def _check_targets(given: Mapping[str, int], existing: Collection[str], serving: Collection[str]) -> None:
    known = ", ".join(sorted(existing)) or "none"
    for name, percent in given.items():
        if name not in existing:
            raise InvalidTraffic(
                f"The traffic names the unknown deployment '{name}' "
                f"(the endpoint has: {known}). Create the deployment first.",
                target="traffic",
            )
        if percent and name not in serving:
            raise InvalidTraffic(
                f"The deployment '{name}' cannot take traffic: its creation has not succeeded. "
                "Wait for it, or read its logs and create it again.",
                target="traffic",
            )


def _check_mirror(live: Mapping[str, int], copies: Mapping[str, int]) -> None:
    mirrors = {name: percent for name, percent in copies.items() if percent}
    if len(mirrors) > 1:
        raise InvalidTraffic(
            f"Traffic is mirrored to {len(mirrors)} deployments ({_shown(mirrors)}); only one can be a mirror.",
            target="mirrorTraffic",
        )
    for name, percent in mirrors.items():
        if percent > MIRROR_LIMIT_PERCENT:
            raise InvalidTraffic(
                f"{percent} % of the traffic is mirrored to '{name}'; at most {MIRROR_LIMIT_PERCENT} % can be.",
                target="mirrorTraffic",
            )
        if live.get(name):
            raise InvalidTraffic(
                f"The deployment '{name}' has {live[name]} % live traffic; a mirror must have none.",
                target="mirrorTraffic",
            )


def _shown(given: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {percent}" for name, percent in given.items())

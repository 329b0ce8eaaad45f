"""`uv run mlops infra quota --stack prod`: whether a stack's machines fit the subscription's quota.

What the stack may ask for is read from the program, what Azure allows with `az rest`; nothing is changed. A limit that
is too low for the largest size of a cluster is an error: `pulumi up` would succeed, and nodes would be missing later.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dry_run.result import DryRun
from dry_run.run import run_stack
from dry_run.stack_files import stack_names
from inventory.machines import Machines, Service, machines_of
from settings.reading import SettingsError

ML = "Microsoft.MachineLearningServices"
ML_VERSION, COMPUTE_VERSION, SKUS_VERSION = "2025-12-01", "2024-07-01", "2021-07-01"
REGIONAL = {Service.TRAINING: ("total", "dedicated"), Service.KUBERNETES: ("cores",)}
SECONDS = 120
REQUEST = "https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas"


class QuotaError(Exception):
    """Azure could not be asked; the message says why."""


class SizeError(Exception):
    """A size of machines cannot be had in the region."""


@dataclass(frozen=True)
class Limit:
    """One limit of a region, in virtual CPUs."""

    name: str
    used: int
    allowed: int


@dataclass(frozen=True)
class Need:
    """What a stack may use at most of one limit; `limit` is None where Azure names none for it."""

    service: Service
    what: str
    virtual_cpus: int
    limit: Limit | None

    @property
    def refused(self) -> bool:
        """Whether the limit can never carry it."""
        return self.limit is not None and self.limit.allowed < self.virtual_cpus

    @property
    def sentence(self) -> str:
        """The need against its limit."""
        who = f"{self.service}: up to {self.virtual_cpus} vCPUs of {self.what}"
        if self.limit is None:
            return f"{who}; Azure names no limit for it"
        free = self.limit.allowed - self.limit.used
        found = f"{who}; {self.limit.allowed} allowed, {free} of them free"
        if self.refused:
            return f"TOO LITTLE: {found}; ask for more ({REQUEST}), or lower max_nodes"
        return found if free >= self.virtual_cpus else f"{found}: enough if this stack's own nodes are what is used"


def needs_of(machines: tuple[Machines, ...], subscription: str) -> Iterator[Need]:
    """Every need of a stack, per region, service and family of sizes. Raises QuotaError and SizeError."""
    for region, service in dict.fromkeys((each.region, each.service) for each in machines):
        chosen = [each for each in machines if (each.region, each.service) == (region, service)]
        yield from _needs(service, chosen, *_read(service, subscription, region))


def _needs(
    service: Service, machines: list[Machines], sizes: Mapping[str, tuple[str, int]], limits: list[Limit]
) -> Iterator[Need]:
    total, by_family = 0, defaultdict[str, int](int)
    for each in machines:
        if each.size.lower() not in sizes:
            raise SizeError(f"{each.size} is not offered to this subscription in {each.region}; choose another size")
        family, cpus = sizes[each.size.lower()]
        by_family["low priority" if each.low_priority else family] += cpus * each.most
        total += 0 if each.low_priority else cpus * each.most
    for family, cpus in by_family.items():
        words = ("total", "lowpriority") if family == "low priority" else (_plain(family),)
        yield Need(service, family, cpus, _limit(limits, words))
    if total:
        yield Need(service, "all families", total, _limit(limits, REGIONAL[service]))


def _limit(limits: list[Limit], words: tuple[str, ...]) -> Limit | None:
    exact = [limit for limit in limits if (_plain(limit.name),) == words]
    return next(iter(exact or [limit for limit in limits if all(word in _plain(limit.name) for word in words)]), None)


def _plain(name: str) -> str:
    return re.sub(r"\W", "", name).lower()


def _read(service: Service, subscription: str, region: str) -> tuple[dict[str, tuple[str, int]], list[Limit]]:
    above = f"/subscriptions/{subscription}/providers"
    if service is Service.TRAINING:
        place = f"{above}/{ML}/locations/{region}"
        found = _get(f"{place}/vmSizes?api-version={ML_VERSION}")
        sizes = {each["name"].lower(): (each["family"], int(each["vCPUs"])) for each in found}
        return sizes, _limits(f"{place}/usages?api-version={ML_VERSION}")
    filtered = f"api-version={SKUS_VERSION}&$filter=location eq '{region}'"
    skus = [each for each in _get(f"{above}/Microsoft.Compute/skus?{filtered}") if _offered(each)]
    cpus = {each["name"].lower(): (each["family"], _virtual_cpus(each)) for each in skus}
    return cpus, _limits(f"{above}/Microsoft.Compute/locations/{region}/usages?api-version={COMPUTE_VERSION}")


def _offered(sku: Mapping[str, Any]) -> bool:
    closed = any(each.get("type") == "Location" for each in sku.get("restrictions", ()))
    return sku["resourceType"] == "virtualMachines" and not closed


def _virtual_cpus(sku: Mapping[str, Any]) -> int:
    return next(int(each["value"]) for each in sku["capabilities"] if each["name"] == "vCPUs")


def _limits(path: str) -> list[Limit]:
    return [Limit(each["name"]["value"], int(each["currentValue"]), int(each["limit"])) for each in _get(path)]


def _get(path: str) -> list[dict[str, Any]]:
    command = ["az", "rest", "--method", "get", "--url", path, "--output", "json"]
    found: list[dict[str, Any]] = []
    while True:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except FileNotFoundError as error:
            raise QuotaError("the command `az` is not installed") from error
        except subprocess.TimeoutExpired as error:
            raise QuotaError(f"Azure has not answered for {SECONDS} seconds: {path}") from error
        if done.returncode != 0:
            raise QuotaError(f"Azure did not answer {path.partition('?')[0]}: {done.stderr.strip()[-400:]}")
        page = json.loads(done.stdout)
        found += page["value"]
        if not page.get("nextLink"):
            return found
        command[command.index("--url") + 1] = page["nextLink"]


def main() -> int:
    """Print every need; 1 when a limit is too low, 2 when the settings are wrong. Unreadable quota is no error."""
    parser = argparse.ArgumentParser(
        prog="mlops infra quota", description="Compare a stack's machines with Azure's quota."
    )
    parser.add_argument("--stack", choices=stack_names(), required=True)
    given = parser.parse_args()
    try:
        run = run_stack(given.stack)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    code, lines = compare(run)
    print("\n".join(lines))
    return code


def compare(run: DryRun) -> tuple[int, list[str]]:
    """The exit code and a sentence per need."""
    machines = machines_of(run)
    if not machines:
        return 0, [f"{run.stack} has no machines"]
    try:
        needs = list(needs_of(machines, run.outputs["subscription_id"]))
    except SizeError as error:
        return 1, [str(error)]
    except QuotaError as error:
        return 0, [f"quota not compared: {error}. Reading it needs the role Reader on the subscription."]
    return int(any(need.refused for need in needs)), [need.sentence for need in needs]


if __name__ == "__main__":
    sys.exit(main())

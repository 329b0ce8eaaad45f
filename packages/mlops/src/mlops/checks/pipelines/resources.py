"""What a Kubernetes deployment asks of its cluster: quantities that Kubernetes knows, and requests within limits."""

import re
from collections.abc import Iterator
from typing import Final

from mlops.checks.yaml.document import Document, Node
from mlops.checks.yaml.problem import Problem

KINDS: Final = ("cpu", "memory")
_QUANTITY: Final = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)(?P<unit>m|[kMGT]|[KMGT]i)?")
_UNITS: Final = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12} | {
    f"{letter}i": 1024.0**power for power, letter in enumerate("KMGT", start=1)
}


def check_resources(document: Document) -> Iterator[Problem]:
    """Yield what is wrong with `resources`; without them a deployment gets what its instance type says."""
    resources = document.root.get("resources")
    if resources is None:
        return
    requests, limits = resources.get("requests"), resources.get("limits")
    for kind in KINDS:
        asked, most = (each.get(kind) if each else None for each in (requests, limits))
        if asked is None:
            advice = f"write `requests: {{{kind}: …}}`, or no `resources`"
            yield document.problem(requests or resources, f"`resources` asks for no {kind}", advice)
        wrong = [each for each in (asked, most) if each is not None and _amount(each) is None]
        for each in wrong:
            message = f"`{each.value}` is no amount of {kind} above 0"
            yield document.problem(each, message, "write it in quotes, such as '500m' or '2' for cpu, '2Gi' for memory")
        if asked and most and not wrong and (_amount(asked) or 0) > (_amount(most) or 0):
            message = f"{kind} {asked.value} is asked for, more than the limit {most.value}"
            yield document.problem(asked, message, "raise the limit, or ask for less")


def _amount(node: Node) -> float | None:
    match = _QUANTITY.fullmatch(node.text) if node.text else None
    if match is None or float(match["number"]) == 0:
        return None
    return float(match["number"]) * _UNITS[match["unit"] or ""]

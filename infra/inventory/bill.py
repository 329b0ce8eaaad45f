"""What a stack costs a month while nothing happens: counts what bills by the hour, and says what bills by use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from inventory.prices import PriceTable
from rehearsal.records import Record, Rehearsal

STANDING = {
    "network:NatGateway": "nat-gateway",
    "network:PublicIPAddress": "public-address",
    "network:PrivateEndpoint": "private-endpoint",
    "privatedns:PrivateZone": "private-zone",
    "monitor:MetricAlert": "metric-alert",
    "dashboard:Grafana": "grafana",
}
BY_USE = (
    ("machinelearningservices:Compute", "training nodes, per second while jobs run; none at rest"),
    ("storage:StorageAccount", "stored gigabytes and transactions"),
    (
        "operationalinsights:Workspace",
        "ingested gigabytes; the first 5 a month are free, the daily quota caps the rest",
    ),
    ("monitor:AzureMonitorWorkspace", "samples that managed Prometheus reads, and those that its rules ask for"),
    ("dashboard:Grafana", "people who log in, by the month"),
    ("keyvault:Vault", "operations"),
    ("eventgrid:SystemTopic", "events; the first 100,000 a month are free"),
    ("eventgrid:Topic", "events, together with those of the workspace"),
    ("servicebus:Namespace", "operations of the cheapest tier: a look every 15 minutes is far below a cent a month"),
    ("logic:Workflow", "actions; about 9,000 a month while nothing drifts, of which 4,000 are free: about 0.12 USD"),
    ("machinelearningservices:Workspace", "managed online deployments: their machines run all the time once deployed"),
)


@dataclass(frozen=True)
class Line:
    """One line of the bill. `each` is None when the table has no such price: the total is then too low."""

    price_id: str
    count: int
    each: float | None
    confidence: str

    @property
    def amount(self) -> float:
        """What the line adds to the total."""
        return self.count * (self.each or 0.0)


@dataclass(frozen=True)
class Bill:
    """The idle cost of a stack a month."""

    lines: tuple[Line, ...]
    by_use: tuple[str, ...]

    @property
    def total(self) -> float:
        """The sum of all known lines."""
        return sum(line.amount for line in self.lines)

    @property
    def remembered(self) -> float:
        """How much of the sum rests on prices that nobody looked up."""
        return sum(line.amount for line in self.lines if line.confidence == "remembered")

    @property
    def unknown(self) -> tuple[str, ...]:
        """What could not be priced."""
        return tuple(line.price_id for line in self.lines if line.each is None)


def bill_of(rehearsal: Rehearsal, table: PriceTable) -> Bill:
    """The bill of a rehearsed stack."""
    counted = Counter(price_id for record in rehearsal.resources for price_id in _standing(record))
    lines = []
    for price_id, count in counted.items():
        price = table.of(price_id)
        each, confidence = (price.monthly, price.confidence) if price else (None, "unknown")
        lines.append(Line(price_id, count, each, confidence))
    by_use = tuple(f"{type_.split(':')[1]}: {what}" for type_, what in BY_USE if rehearsal.of(type_))
    return Bill(tuple(sorted(lines, key=lambda line: -line.amount)), by_use)


def _standing(record: Record) -> Iterator[str]:
    type_ = record.type.removeprefix("azure-native:")
    if type_ in STANDING:
        yield STANDING[type_]
    elif type_ == "containerregistry:Registry":
        yield f"images-{record.inputs['sku']['name']}"
    elif type_ == "machinelearningservices:Registry":
        for region in record.inputs["regionDetails"]:
            for details in region["acrDetails"]:
                yield f"images-{details['systemCreatedAcrAccount']['acrAccountSku']}"
    elif type_ == "machinelearningservices:Compute":
        yield from _training(record)
    elif type_ in ("containerservice:ManagedCluster", "containerservice:AgentPool"):
        yield from _kubernetes(record)


def _training(record: Record) -> Iterator[str]:
    properties = record.inputs["properties"]
    if properties["computeType"] == "AmlCompute":
        nodes = int(properties["properties"]["scaleSettings"]["minNodeCount"])
        yield from [f"machine-{properties['properties']['vmSize']}"] * nodes


def _kubernetes(record: Record) -> Iterator[str]:
    inputs = record.inputs
    pools = inputs.get("agentPoolProfiles", [inputs])
    for pool in pools:
        yield from [f"machine-{pool['vmSize']}"] * int(pool["minCount"])
    if "agentPoolProfiles" in inputs:
        yield "load-balancer"
        if inputs["sku"]["tier"] != "Free":
            yield "kubernetes-standard-tier"

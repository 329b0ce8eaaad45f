"""A stack as a mermaid diagram, grouped by the network that things stand in; lines are what reaches what."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rehearsal.records import Record, Rehearsal

# Shown, and what to call it; all else is detail of one of these.
SHOWN = {
    "machinelearningservices:Workspace": "Azure ML workspace",
    "machinelearningservices:Registry": "Azure ML registry",
    "machinelearningservices:Compute": "compute",
    "storage:StorageAccount": "storage",
    "keyvault:Vault": "key vault",
    "containerregistry:Registry": "container registry",
    "containerservice:ManagedCluster": "Kubernetes cluster",
    "containerservice:AgentPool": "node pool",
    "network:PrivateEndpoint": "private endpoint",
    "network:NatGateway": "way out",
    "operationalinsights:Workspace": "logs",
    "applicationinsights:Component": "telemetry",
    "eventgrid:SystemTopic": "events",
    "eventgrid:Topic": "announcements",
    "servicebus:Namespace": "waiting drift",
    "logic:Workflow": "drift handler",
    "monitor:ActionGroup": "people to tell",
    "monitor:AzureMonitorWorkspace": "metrics",
    "dashboard:Grafana": "Grafana",
}
SERVICES, TELLING = "Azure services", "Watching and telling"
WATCHING = {
    "operationalinsights:Workspace",
    "applicationinsights:Component",
    "eventgrid:SystemTopic",
    "eventgrid:Topic",
    "servicebus:Namespace",
    "logic:Workflow",
    "monitor:ActionGroup",
    "monitor:AzureMonitorWorkspace",
    "dashboard:Grafana",
}


def diagram_of(rehearsal: Rehearsal) -> str:
    """The diagram's text: paste it into Markdown, or render it with any mermaid tool."""
    places: dict[str, list[Record]] = {}
    for record in rehearsal.resources:
        if _type(record) in SHOWN:
            places.setdefault(_place(record, rehearsal), []).append(record)
    lines = ["flowchart LR"]
    network = [place for place in places if place.startswith("subnet")]
    if network:
        space = rehearsal.one("network:VirtualNetwork").inputs["addressSpace"]["addressPrefixes"][0]
        lines.append(f'  subgraph network["Virtual network {space}"]')
        for place in sorted(network):
            lines += [f"  {line}" for line in _group(place, places.pop(place))]
        lines.append("  end")
    for place in sorted(places):
        lines += _group(place, places[place])
    lines += [f"  {start} --> {end}" for start, end in _arrows(rehearsal)]
    return "\n".join(lines) + "\n"


def _group(place: str, records: list[Record]) -> list[str]:
    inside = [f'    {_node(record)}["{SHOWN[_type(record)]}<br/>{_name(record)}"]' for record in records]
    return [f'  subgraph {_word(place)}["{place}"]', *inside, "  end"]


def _place(record: Record, rehearsal: Rehearsal) -> str:
    if _type(record) in WATCHING:
        return TELLING
    subnet = _subnet(record)
    if subnet is None:
        return SERVICES
    found = next((other for other in rehearsal.of("network:Subnet") if other.id == subnet), None)
    return f"subnet {found.inputs['subnetName']} {found.inputs['addressPrefix']}" if found else SERVICES


def _subnet(record: Record) -> str | None:
    inputs = record.inputs
    match _type(record):
        case "network:PrivateEndpoint":
            return inputs["subnet"]["id"]
        case "containerservice:ManagedCluster":
            return inputs["agentPoolProfiles"][0].get("vnetSubnetID")
        case "containerservice:AgentPool":
            return inputs.get("vnetSubnetID")
        case "machinelearningservices:Compute":
            return (inputs["properties"].get("properties", {}).get("subnet") or {}).get("id")
        case _:
            return None


def _arrows(rehearsal: Rehearsal) -> Iterator[tuple[str, str]]:
    by_id = {record.id: record for record in rehearsal.resources if _type(record) in SHOWN}
    for record in by_id.values():
        for target in dict.fromkeys(_ids_in(record.inputs)):
            if target in by_id and by_id[target] is not record:
                yield _node(record), _node(by_id[target])


def _ids_in(value: object) -> Iterator[str]:
    if isinstance(value, str) and value.startswith("/subscriptions/"):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _ids_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from _ids_in(part)


def _type(record: Record) -> str:
    return record.type.removeprefix("azure-native:")


def _name(record: Record) -> str:
    return record.id.rsplit("/", maxsplit=1)[-1]


def _node(record: Record) -> str:
    return _word(record.name)


def _word(text: str) -> str:
    return re.sub(r"\W+", "_", text)

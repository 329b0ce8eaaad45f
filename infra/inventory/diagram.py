"""A stack as a mermaid diagram, grouped by subnet; an arrow is a reference from one resource to another.

Shown are the kinds with a label; all others are details of one of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dry_run.kinds import kind_of
from dry_run.result import DryRun, ResourceRecord

SERVICES, MONITORING = "Azure services", "Monitoring and events"


def diagram_of(run: DryRun) -> str:
    """The diagram's text: paste it into Markdown, or render it with any mermaid tool."""
    groups: dict[str, list[ResourceRecord]] = {}
    for record in run.resources:
        if _label(record):
            groups.setdefault(_group_of(record, run), []).append(record)
    lines = ["flowchart LR"]
    network = [group for group in groups if group.startswith("subnet")]
    if network:
        space = run.one("network:VirtualNetwork").inputs["addressSpace"]["addressPrefixes"][0]
        lines.append(f'  subgraph network["Virtual network {space}"]')
        for group in sorted(network):
            lines += [f"  {line}" for line in _subgraph(group, groups.pop(group))]
        lines.append("  end")
    for group in sorted(groups):
        lines += _subgraph(group, groups[group])
    lines += [f"  {start} --> {end}" for start, end in _arrows(run)]
    return "\n".join(lines) + "\n"


def _subgraph(group: str, records: list[ResourceRecord]) -> list[str]:
    nodes = [f'    {_node(record)}["{_label(record)}<br/>{_name(record)}"]' for record in records]
    return [f'  subgraph {_word(group)}["{group}"]', *nodes, "  end"]


def _group_of(record: ResourceRecord, run: DryRun) -> str:
    if kind_of(record.azure_type).monitoring:
        return MONITORING
    subnet = _subnet(record)
    if subnet is None:
        return SERVICES
    found = next((other for other in run.of("network:Subnet") if other.id == subnet), None)
    return f"subnet {found.inputs['subnetName']} {found.inputs['addressPrefix']}" if found else SERVICES


def _subnet(record: ResourceRecord) -> str | None:
    inputs = record.inputs
    match record.azure_type:
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


def _arrows(run: DryRun) -> Iterator[tuple[str, str]]:
    by_id = {record.id: record for record in run.resources if _label(record)}
    for record in by_id.values():
        # Sorted: the provider's inputs come in any order.
        for target in sorted(set(_ids_in(record.inputs))):
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


def _label(record: ResourceRecord) -> str:
    return kind_of(record.azure_type).label if record.azure else ""


def _name(record: ResourceRecord) -> str:
    return record.id.rsplit("/", maxsplit=1)[-1]


def _node(record: ResourceRecord) -> str:
    return _word(record.name)


def _word(text: str) -> str:
    return re.sub(r"\W+", "_", text)

"""The types that settings are made of, each with Azure's rule for its values in words that say what to do."""

from __future__ import annotations

import ipaddress
import math
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


class Frozen(BaseModel):
    """A settings object: immutable once read, unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def checked_by(pattern: str, rule: str) -> AfterValidator:
    """A check that a text matches a pattern; `rule` says in words what is allowed."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"'{value}' is not allowed: {rule}")
        return value

    return AfterValidator(check)


def resource_id(type_: str) -> AfterValidator:
    """A check of a resource id of one ARM type, or of a resource group for the empty text."""
    name = r"[\w.()-]+"
    path = f"/providers/{re.escape(type_)}/{name}" if type_ else ""
    return checked_by(
        rf"/subscriptions/{GUID}/resourceGroups/{name}{path}",
        f"the resource id of a {type_ or 'resource group'} (`az … show --query id`), "
        f"/subscriptions/GUID/resourceGroups/GROUP{f'/providers/{type_}/NAME' if type_ else ''}",
    )


def _private_address(value: str) -> str:
    try:
        address = ipaddress.IPv4Address(value)
    except ValueError as error:
        raise ValueError(f"'{value}' is not an address such as 10.0.0.4") from error
    if not address.is_private:
        raise ValueError(f"'{value}' is not a private address")
    return value


def _private_range(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"'{value}' is not an address range such as 10.20.0.0/16: {error}") from error
    if not network.is_private:
        raise ValueError(f"'{value}' is not a private address range")
    return value


def _public_range(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"'{value}' is not an address range such as 203.0.113.0/24: {error}") from error
    if value.endswith("/0"):
        raise ValueError(f"'{value}' lets everyone in; name the ranges of your offices or runners")
    return value


Format = Literal[1]
Guid = Annotated[str, checked_by(GUID, "a GUID (8-4-4-4-12 hexadecimal digits)")]
ProjectName = Annotated[
    str,
    checked_by(
        r"[a-z][a-z0-9-]{1,24}[a-z0-9]", "3 to 26 lower-case letters, digits and hyphens, starting with a letter"
    ),
]
StageName = Annotated[
    str, checked_by(r"[a-z][a-z0-9]{1,11}", "2 to 12 lower-case letters and digits, starting with a letter")
]
Location = Annotated[str, checked_by(r"[a-z][a-z0-9]+", "an Azure region in its short form, such as westeurope")]
MachineSize = Annotated[str, checked_by(r"Standard_\w+", "a virtual machine size, such as Standard_D4ds_v5")]
Email = Annotated[str, checked_by(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address")]
HttpsAddress = Annotated[str, checked_by(r"https://\S+", "an https address")]
HostName = Annotated[str, checked_by(r"[a-z0-9-]+(\.[a-z0-9-]+)+", "a host name such as score.example.org")]
KubernetesName = Annotated[
    str, checked_by(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "lower-case letters, digits and hyphens, at most 63")
]
WorkspaceContainer = Annotated[
    str,
    checked_by(
        r"azureml-blobstore-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "the container of a workspace's default datastore, azureml-blobstore- and the workspace's GUID",
    ),
]
VersionedKey = Annotated[
    str,
    checked_by(
        r"https://[a-z0-9-]+\.vault\.azure\.net/keys/[A-Za-z0-9-]+/[0-9a-f]{32}",
        "the address of a key with its version (`az keyvault key show --query key.kid`)",
    ),
]
PrivateAddress = Annotated[str, AfterValidator(_private_address)]
PrivateRange = Annotated[str, AfterValidator(_private_range)]
PublicRange = Annotated[str, AfterValidator(_public_range)]
NodeCount = Annotated[int, Field(ge=0, le=100)]
Percent = Annotated[int, Field(ge=1, le=100)]

# Azure numbered these sizes; later ones carry their virtual CPUs in their names.
SECOND_GENERATION = re.compile(r"Standard_DS?([1-5]|1[1-5])_v2")
SECOND_GENERATION_CPUS = {1: 1, 2: 2, 3: 4, 4: 8, 5: 16, 11: 2, 12: 4, 13: 8, 14: 16, 15: 20}
VIRTUAL_CPUS = re.compile(r"Standard_[A-Z]+?(\d+)")

# Sizes of the families D and E with a local disk say so with a `d`: Standard_D4ds_v5.
LOCAL_DISK = re.compile(r"Standard_[DE]\d+[a-z]*d[a-z]*_v\d+")
LOCAL_DISK_PER_CPU = 37.5
OTHER_FAMILIES = re.compile(r"Standard_(?!DS?\d|E[S]?\d|[BAF]S?\d)")


def virtual_cpus(size: str) -> int:
    """The number of virtual CPUs of a machine size, read from its name (Standard_D4ds_v5: 4). Raises ValueError."""
    second = SECOND_GENERATION.match(size)
    if second is not None:
        return SECOND_GENERATION_CPUS[int(second.group(1))]
    found = VIRTUAL_CPUS.match(size)
    if found is None:
        raise ValueError(f"the number of virtual CPUs cannot be read from '{size}'")
    return int(found.group(1))


def local_disk_gigabytes(size: str) -> float:
    """What a machine size of the families D and E has as local disk, in GiB; more than any need for GPU and others."""
    if OTHER_FAMILIES.match(size):
        return math.inf
    return LOCAL_DISK_PER_CPU * virtual_cpus(size) if LOCAL_DISK.fullmatch(size) else 0

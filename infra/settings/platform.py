"""What a platform team prescribes for every subscription: tags, names, logs, network, keys, maintenance windows.

Every key has a default that leaves it to this program. Which combinations are refused is in platform_checks.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from settings.fields import Frozen, Guid, VersionedKey, checked_by, resource_id

OWN_TAGS = ("project", "stage", "made-by")
MOST_TAGS = 12  # private DNS zones take 15, and three are the program's


def _tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > MOST_TAGS:
        raise ValueError(f"{len(tags)} tags are too many: private DNS zones take 15, of which three are the program's")
    lower = [key.lower() for key in tags]
    if len(set(lower)) != len(lower):
        raise ValueError("two tags differ in case only: Azure compares their names without it")
    taken = sorted(set(lower).intersection(OWN_TAGS))
    if taken:
        raise ValueError(f"the program sets the tag {taken[0]} itself; choose another name")
    return tags


TagName = Annotated[
    str,
    checked_by(
        r"[A-Za-z][\w.-]{0,127}", "letters, digits, `_`, `.` and `-`, starting with a letter, as all types take"
    ),
]
Tags = Annotated[dict[TagName, Annotated[str, Field(max_length=256)]], AfterValidator(_tags)]
VirtualNetworkId = Annotated[str, resource_id("Microsoft.Network/virtualNetworks")]
WorkspaceId = Annotated[str, resource_id("Microsoft.OperationalInsights/workspaces")]
KeyVaultId = Annotated[str, resource_id("Microsoft.KeyVault/vaults")]
IdentityId = Annotated[str, resource_id("Microsoft.ManagedIdentity/userAssignedIdentities")]
DnsZoneId = Annotated[str, resource_id("Microsoft.Network/privateDnsZones")]
ResourceGroupId = Annotated[str, resource_id("")]


class Naming(Frozen):
    """What names contain besides the project and the stack. Changing it later creates everything anew."""

    prefix: Annotated[str, checked_by(r"([a-z][a-z0-9]{1,7})?", "2 to 8 lower-case letters and digits")] = ""
    """Before the project's name, such as the organisation's abbreviation."""
    generation: Annotated[int, Field(ge=1, le=99)] = 1
    """Raise it to create a stack again while names of the deleted one are still taken (soft delete)."""


class Subnets(Frozen):
    """The names of an existing network's subnets."""

    endpoints: str
    """For private endpoints."""
    training: str | None = None
    """For the nodes of compute clusters, with `isolation: own`."""
    kubernetes: str | None = None
    """For the nodes of the cluster, with `serving: kubernetes`."""


class ExistingNetwork(Frozen):
    """A virtual network that another team owns. Its security groups, routes and peerings are that team's."""

    virtual_network: VirtualNetworkId
    """Its resource id."""
    subnets: Subnets


class Hub(Frozen):
    """The network to peer with. The hub's team adds the peering in the other direction."""

    virtual_network: VirtualNetworkId
    """The hub's resource id."""
    use_gateway: bool = False
    """Whether people reach the stage through the hub's VPN gateway or ExpressRoute."""


class Logs(Frozen):
    """Where logs go."""

    workspace: WorkspaceId | None = None
    """An existing Log Analytics workspace; by default the stage has one of its own."""


class CustomerManagedKey(Frozen):
    """A key of your own for storage, images and the workspace. To be set before the first deployment."""

    key_vault: KeyVaultId
    """With purge protection; in the stage's region."""
    key: VersionedKey
    """Storage and images follow new versions of it by themselves; the workspace keeps this one."""
    identity: IdentityId
    """May use the key: `Key Vault Crypto Service Encryption User`, granted by the owner of the vault."""
    identity_client_id: Guid
    """The identity's client id."""

    @property
    def name(self) -> str:
        """The key's name."""
        return self.key.split("/")[4]

    @property
    def vault_address(self) -> str:
        """The address of the vault."""
        return self.key.partition("/keys/")[0]

    @property
    def unversioned(self) -> str:
        """The key's address without its version."""
        return self.key.rpartition("/")[0]


class MaintenanceWindow(Frozen):
    """When Azure may upgrade the cluster and its nodes' images."""

    day: Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    """Every week."""
    start: Annotated[str, checked_by(r"([01]\d|2[0-3]):[0-5]\d", "a time such as 02:00")]
    """In the zone of `utc_offset`."""
    hours: Annotated[int, Field(ge=4, le=24)] = 4
    """How long it lasts."""
    utc_offset: Annotated[str, checked_by(r"[+-](0\d|1[0-4]):[0-5]\d", "an offset such as +01:00")] = "+00:00"
    """The zone's distance from UTC."""

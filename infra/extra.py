"""Resources of your own: the one file for what this stage needs beyond the template's resources.

Upstream never changes this file. A resource that people or identities need rights on also gets a row in roles.py.
"""

from __future__ import annotations

from arm_kinds import Kind
from resources.base import BaseResources
from resources.context import Outputs
from resources.workspace.workspace import Workspace

# The kinds that arm_kinds.py does not list, by their type in the provider.
KINDS: dict[str, Kind] = {}


def extra_resources(base: BaseResources, workspace: Workspace) -> Outputs:
    """Declare your own resources of a stage, after all others; returns more outputs of the stack.

    `base` has the stage's settings, names, tags, resource group, identities, rights, logs and network;
    `workspace.dependencies` has the storage account, the key vault and the container registry. An example, with
    `from pulumi_azure_native import redis` above, and in KINDS
    `"redis:Redis": Kind("Microsoft.Cache/redis/{name}", label="cache")`:

        cache = redis.Redis(
            "cache",
            name=base.context.names.of("redis"),
            resource_group_name=base.group.name,
            location=base.context.location,
            sku=redis.SkuArgs(name="Basic", family="C", capacity=0),
            minimum_tls_version="1.2",
            disable_access_key_authentication=True,
            public_network_access=base.context.profile.public_network_access,
            tags=base.context.tags,
            opts=base.context.protected_options(base.group),
        )
        base.monitoring.send_diagnostics("cache", cache.id, base.group)
        return {"cache_host": cache.host_name}
    """
    return {}

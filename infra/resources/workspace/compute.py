"""Compute clusters for training: no nodes while idle, no password login, no public addresses in private stages."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from naming import CPU_CLUSTER, GPU_CLUSTER
from resources.base import BaseResources
from resources.context import Component
from resources.network.subnets import Subnet
from resources.workspace.workspace import Workspace
from roles import Identity
from settings.stage import Cluster

FIXED = [f"properties.properties.{key}" for key in ("vmSize", "vmPriority", "subnet", "enableNodePublicIp")]


class Compute(Component):
    """The clusters of a stage. `depends_on` must name what starting nodes need: rights and private endpoints."""

    def __init__(self, base: BaseResources, workspace: Workspace, depends_on: Sequence[pulumi.Resource]) -> None:
        super().__init__("compute")
        self._base = base
        self._workspace = workspace
        self._depends_on = depends_on
        settings = base.context.settings
        self._cluster(CPU_CLUSTER, settings.cpu_cluster)
        if settings.gpu_cluster is not None:
            self._cluster(GPU_CLUSTER, settings.gpu_cluster)
        self.register_outputs({})

    def _cluster(self, name: str, cluster: Cluster) -> None:
        base, context = self._base, self._base.context
        identity = base.identities.resource_id(Identity.COMPUTE)
        ml.Compute(
            name,
            compute_name=name,
            workspace_name=self._workspace.name,
            resource_group_name=base.group.name,
            location=context.location,
            identity=ml.ManagedServiceIdentityArgs(type="UserAssigned", user_assigned_identities=[identity]),
            properties=ml.AmlComputeArgs(
                compute_type="AmlCompute",
                disable_local_auth=True,
                properties=ml.AmlComputePropertiesArgs(
                    vm_size=cluster.size,
                    vm_priority="LowPriority" if cluster.spot else "Dedicated",
                    os_type="Linux",
                    enable_node_public_ip=context.profile.node_public_ip,
                    remote_login_port_public_access="Disabled",
                    subnet=self._subnet(),
                    scale_settings=ml.ScaleSettingsArgs(
                        min_node_count=cluster.min_nodes,
                        max_node_count=cluster.max_nodes,
                        node_idle_time_before_scale_down=f"PT{cluster.idle_minutes}M",
                    ),
                ),
            ),
            tags=context.tags,
            opts=pulumi.ResourceOptions.merge(
                context.protected_options(self, self._depends_on),
                # Azure accepts such a change and ignores it.
                pulumi.ResourceOptions(replace_on_changes=FIXED, delete_before_replace=True),
            ),
        )

    def _subnet(self) -> ml.ResourceIdArgs | None:
        network = self._base.network
        if network is None or self._base.context.settings.network.isolation != "own":
            return None
        return ml.ResourceIdArgs(id=network.subnet_id(Subnet.TRAINING))

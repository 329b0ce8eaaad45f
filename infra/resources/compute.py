"""Compute clusters for training: no node while nothing runs, no password, no public address in private stages."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from naming import CPU_CLUSTER, GPU_CLUSTER
from resources.context import Component, Context
from resources.group import ResourceGroup
from resources.identities import Identities
from resources.network import Network
from resources.subnets import Subnet
from resources.workspace import Workspace
from roles import Machine
from settings.stage import Cluster


class Compute(Component):
    """The clusters of a stage. `ready` must name what nodes need when they start: rights and private endpoints."""

    def __init__(
        self,
        context: Context,
        group: ResourceGroup,
        workspace: Workspace,
        identities: Identities,
        inside: Network | None,
        ready: Sequence[pulumi.Resource],
    ) -> None:
        super().__init__("compute")
        self._context = context
        self._group = group
        self._workspace = workspace
        self._identity = identities.of(Machine.COMPUTE)
        own = inside is not None and context.settings.network.isolation == "own"
        self._subnet = ml.ResourceIdArgs(id=inside.subnet_id(Subnet.TRAINING)) if inside and own else None
        settings = context.settings
        self.cpu = self._cluster(CPU_CLUSTER, settings.cpu_cluster, ready)
        if settings.gpu_cluster is not None:
            self._cluster(GPU_CLUSTER, settings.gpu_cluster, ready)
        self.register_outputs({"cpu": self.cpu.name})

    def _cluster(self, name: str, cluster: Cluster, ready: Sequence[pulumi.Resource]) -> ml.Compute:
        context = self._context
        return ml.Compute(
            name,
            compute_name=name,
            workspace_name=self._workspace.name,
            resource_group_name=self._group.name,
            location=context.location,
            identity=ml.ManagedServiceIdentityArgs(type="UserAssigned", user_assigned_identities=[self._identity]),
            properties=ml.AmlComputeArgs(
                compute_type="AmlCompute",
                disable_local_auth=True,
                properties=ml.AmlComputePropertiesArgs(
                    vm_size=cluster.size,
                    vm_priority="LowPriority" if cluster.low_priority else "Dedicated",
                    os_type="Linux",
                    enable_node_public_ip=context.posture.node_public_ip,
                    remote_login_port_public_access="Disabled",
                    subnet=self._subnet,
                    scale_settings=ml.ScaleSettingsArgs(
                        min_node_count=cluster.min_nodes,
                        max_node_count=cluster.max_nodes,
                        node_idle_time_before_scale_down=f"PT{cluster.idle_minutes}M",
                    ),
                ),
            ),
            tags=context.tags,
            opts=context.lasting(self, ready),
        )

"""The AKS cluster that serves the model: cluster, node pool, namespace. attachment.py attaches it to the workspace."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import containerservice as aks

from resources.base import BaseResources
from resources.context import Component
from resources.kubernetes.maintenance import maintenance_windows
from resources.network.subnets import Subnet
from roles import Identity
from settings.stage import DISK_GIGABYTES, PODS_PER_NODE, SPARE_SYSTEM_NODES, Kubernetes, StageSettings

# Without `kube-audit`, which has every read as well and costs many times the rest.
LOGS = ("kube-apiserver", "kube-audit-admin", "kube-controller-manager", "cluster-autoscaler", "guard")
DNS_HOST = 10  # last number of the DNS service's address in the service range


class KubernetesCluster(Component):
    """The cluster. `depends_on` must name the rights its identity needs before it is created."""

    def __init__(self, base: BaseResources, depends_on: Sequence[pulumi.Resource]) -> None:
        super().__init__("kubernetes")
        settings = base.context.settings.kubernetes
        if settings is None:
            raise ValueError("the settings `kubernetes` are missing: a cluster needs them")
        self._base = base
        self._context = base.context
        self._group = base.group
        self._settings = settings
        self._subnet = base.network.subnet_id(Subnet.KUBERNETES) if base.network else None
        self.cluster = self._cluster(depends_on)
        self.pool = self._pool()
        self.namespace = self._namespace()
        if settings.maintenance is not None:
            maintenance_windows(self.cluster, settings.maintenance, base.group, self)
        base.monitoring.send_diagnostics("kubernetes", self.cluster.id, self, logs=LOGS)
        self.register_outputs({"cluster": self.cluster.id})

    def _cluster(self, depends_on: Sequence[pulumi.Resource]) -> aks.ManagedCluster:
        context = self._context
        identity = self._base.identities.resource_id(Identity.CLUSTER)
        return aks.ManagedCluster(
            "cluster",
            resource_name_=context.names.of("aks"),
            resource_group_name=self._group.name,
            node_resource_group=context.names.of("rg", "nodes"),
            location=context.location,
            dns_prefix=context.names.of("aks"),
            sku=aks.ManagedClusterSKUArgs(name="Base", tier=context.profile.cluster_tier),
            identity=aks.ManagedClusterIdentityArgs(
                type=aks.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[identity]
            ),
            agent_pool_profiles=[self._system_pool()],
            enable_rbac=True,
            # Azure ML does not support clusters with local accounts disabled (documented limit).
            disable_local_accounts=False,
            aad_profile=aks.ManagedClusterAADProfileArgs(
                managed=True, enable_azure_rbac=True, tenant_id=context.settings.azure.tenant_id
            ),
            oidc_issuer_profile=aks.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
            security_profile=_security(),
            addon_profiles=self._addons(),
            api_server_access_profile=self._control_plane_access(),
            auto_upgrade_profile=aks.ManagedClusterAutoUpgradeProfileArgs(
                upgrade_channel="stable", node_os_upgrade_channel="NodeImage"
            ),
            network_profile=self._network(),
            azure_monitor_profile=aks.ManagedClusterAzureMonitorProfileArgs(
                metrics=aks.ManagedClusterAzureMonitorProfileMetricsArgs(enabled=self._settings.prometheus)
            ),
            tags=context.tags,
            # The autoscaler changes it: an update after a refresh would remove nodes that are in use.
            opts=context.autoscaled_options(
                "containerservice:ManagedCluster", self, "agentPoolProfiles[0].count", depends_on
            ),
        )

    def _system_pool(self) -> aks.ManagedClusterAgentPoolProfileArgs:
        settings = self._settings
        return aks.ManagedClusterAgentPoolProfileArgs(
            name="system",
            mode="System",
            type="VirtualMachineScaleSets",
            vm_size=settings.system_size,
            count=settings.system_nodes,
            min_count=settings.system_nodes,
            max_count=settings.system_nodes + SPARE_SYSTEM_NODES,
            enable_auto_scaling=True,
            enable_encryption_at_host=True,
            enable_node_public_ip=False,
            availability_zones=list(settings.zones),
            os_type="Linux",
            os_disk_type="Ephemeral",
            os_disk_size_gb=DISK_GIGABYTES,
            max_pods=PODS_PER_NODE,
            vnet_subnet_id=self._subnet,
            tags=self._context.tags,
        )

    def _addons(self) -> dict[str, aks.ManagedClusterAddonProfileArgs]:
        return {
            "azurepolicy": aks.ManagedClusterAddonProfileArgs(enabled=True),
            "azureKeyvaultSecretsProvider": aks.ManagedClusterAddonProfileArgs(
                enabled=True, config={"enableSecretRotation": "true"}
            ),
            "omsagent": aks.ManagedClusterAddonProfileArgs(
                enabled=True,
                config={
                    "logAnalyticsWorkspaceResourceID": self._base.monitoring.logs_id,
                    "useAADAuth": "true",
                },
            ),
        }

    def _control_plane_access(self) -> aks.ManagedClusterAPIServerAccessProfileArgs:
        if self._context.settings.private:
            return aks.ManagedClusterAPIServerAccessProfileArgs(
                enable_private_cluster=True,
                enable_private_cluster_public_fqdn=False,
                private_dns_zone=self._settings.dns_zone or "system",
            )
        return aks.ManagedClusterAPIServerAccessProfileArgs(
            enable_private_cluster=False, authorized_ip_ranges=list(self._settings.authorised_ranges)
        )

    def _network(self) -> aks.ContainerServiceNetworkProfileArgs:
        service_range = self._settings.service_range
        return aks.ContainerServiceNetworkProfileArgs(
            network_plugin="azure",
            network_policy="calico",
            load_balancer_sku="standard",
            outbound_type=outbound_type(self._context.settings),
            service_cidr=service_range,
            dns_service_ip=service_dns(service_range),
        )

    def _pool(self) -> aks.AgentPool:
        settings, context = self._settings, self._context
        return aks.AgentPool(
            "pool-scoring",
            agent_pool_name="scoring",
            resource_name_=self.cluster.name,
            resource_group_name=self._group.name,
            mode="User",
            type="VirtualMachineScaleSets",
            vm_size=settings.node_size,
            count=settings.min_nodes,
            min_count=settings.min_nodes,
            max_count=settings.max_nodes,
            enable_auto_scaling=True,
            enable_encryption_at_host=True,
            enable_node_public_ip=False,
            availability_zones=list(settings.zones),
            os_type="Linux",
            os_disk_type="Ephemeral",
            os_disk_size_gb=DISK_GIGABYTES,
            max_pods=PODS_PER_NODE,
            vnet_subnet_id=self._subnet,
            node_labels=pool_labels(settings),
            tags=context.tags,
            opts=context.autoscaled_options("containerservice:AgentPool", self, "count"),
        )

    def _namespace(self) -> aks.ManagedNamespace:
        context = self._context
        return aks.ManagedNamespace(
            "namespace-scoring",
            managed_namespace_name=self._settings.namespace,
            resource_name_=self.cluster.name,
            resource_group_name=self._group.name,
            location=context.location,
            properties=aks.NamespacePropertiesArgs(
                adoption_policy="IfIdentical",
                delete_policy="Keep",
                # By default a managed namespace admits its own pods only. Requests come from the router in `azureml`,
                # and metrics are scraped from `kube-system`.
                default_network_policy=aks.NetworkPoliciesArgs(ingress="AllowAll", egress="AllowAll"),
            ),
            tags=context.tags,
            opts=context.protected_options(self),
        )


def pool_labels(settings: Kubernetes) -> dict[str, str]:
    """The labels by which Azure ML's instance types select the nodes for scoring."""
    return {"purpose": settings.namespace}


def outbound_type(settings: StageSettings) -> str:
    """How nodes reach what is outside their network. An existing network has a NAT gateway or a route of its own."""
    if not settings.private:
        return "loadBalancer"
    return "userDefinedRouting" if settings.network.firewall is not None else "userAssignedNATGateway"


def service_dns(service_range: str) -> str:
    """The address of the DNS service in the service range."""
    base = service_range.split("/", maxsplit=1)[0].rsplit(".", maxsplit=1)[0]
    return f"{base}.{DNS_HOST}"


def _security() -> aks.ManagedClusterSecurityProfileArgs:
    return aks.ManagedClusterSecurityProfileArgs(
        workload_identity=aks.ManagedClusterSecurityProfileWorkloadIdentityArgs(enabled=True),
        image_cleaner=aks.ManagedClusterSecurityProfileImageCleanerArgs(enabled=True, interval_hours=48),
    )

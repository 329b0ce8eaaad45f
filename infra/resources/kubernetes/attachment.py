"""The Azure ML extension on the cluster, then the cluster attached to the workspace as compute."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import kubernetesconfiguration
from pulumi_azure_native import machinelearningservices as ml

from naming import KUBERNETES_COMPUTE
from resources.base import BaseResources
from resources.context import Component
from resources.kubernetes.cluster import KubernetesCluster, pool_labels
from resources.workspace.workspace import Workspace
from roles import Identity
from settings.stage import Kubernetes

RELEASE_NAMESPACE = "azureml"
INSTANCE_TYPE = "defaultinstancetype"
# The router runs in three copies on three nodes when it is highly available; with fewer nodes some never start.
ROUTER_NODES = 3
# Requests are a pod's default; a deployment of this type must ask for less than the limits.
REQUESTS = {"cpu": "1", "memory": "2Gi"}
LIMITS = {"cpu": "2", "memory": "4Gi"}

# Not all properties: Azure adds some, and a refresh would replace a compute that serves.
FIXED = [
    "properties.resourceId",
    *(f"properties.properties.{key}" for key in ("namespace", "defaultInstanceType", "instanceTypes")),
]


class Attachment(Component):
    """The extension and the attached compute. `depends_on` must name the workspace identity's rights on the cluster."""

    def __init__(
        self,
        base: BaseResources,
        workspace: Workspace,
        kubernetes: KubernetesCluster,
        depends_on: Sequence[pulumi.Resource],
    ) -> None:
        super().__init__("attachment")
        context, group = base.context, base.group
        settings = context.settings.kubernetes
        if settings is None:
            raise ValueError("the settings `kubernetes` are missing: an attachment needs them")
        self._context = context
        self._group = group
        self.extension = self._extension(kubernetes, settings)
        self.compute = ml.Compute(
            "kubernetes-compute",
            compute_name=KUBERNETES_COMPUTE,
            workspace_name=workspace.name,
            resource_group_name=group.name,
            location=context.location,
            identity=ml.ManagedServiceIdentityArgs(
                type="UserAssigned", user_assigned_identities=[base.identities.resource_id(Identity.ENDPOINT)]
            ),
            properties=ml.KubernetesArgs(
                compute_type="Kubernetes",
                resource_id=kubernetes.cluster.id,
                disable_local_auth=True,
                properties=_properties(settings),
            ),
            tags=context.tags,
            opts=pulumi.ResourceOptions.merge(
                context.protected_options(self, [self.extension, kubernetes.namespace, *depends_on]),
                # Azure accepts a change of an attached cluster and ignores it.
                pulumi.ResourceOptions(replace_on_changes=FIXED, delete_before_replace=True),
            ),
        )
        self.register_outputs({"compute": self.compute.name})

    def _extension(self, kubernetes: KubernetesCluster, settings: Kubernetes) -> kubernetesconfiguration.Extension:
        return kubernetesconfiguration.Extension(
            "azureml-extension",
            extension_name="azureml",
            cluster_name=kubernetes.cluster.name,
            cluster_resource_name="managedClusters",
            cluster_rp="Microsoft.ContainerService",
            resource_group_name=self._group.name,
            extension_type="Microsoft.AzureML.Kubernetes",
            release_train="stable",
            auto_upgrade_minor_version=True,
            identity=kubernetesconfiguration.IdentityArgs(
                type=kubernetesconfiguration.ResourceIdentityType.SYSTEM_ASSIGNED
            ),
            scope=kubernetesconfiguration.ScopeArgs(
                cluster=kubernetesconfiguration.ScopeClusterArgs(release_namespace=RELEASE_NAMESPACE)
            ),
            configuration_settings=self._configuration(kubernetes, settings),
            opts=self._context.protected_options(self, [kubernetes.pool]),
        )

    def _configuration(self, kubernetes: KubernetesCluster, settings: Kubernetes) -> dict[str, pulumi.Input[str]]:
        context = self._context
        values: dict[str, pulumi.Input[str]] = {
            "enableTraining": "False",
            "enableInference": "True",
            "inferenceRouterServiceType": "LoadBalancer",
            "inferenceRouterHA": "True" if settings.sure_nodes >= ROUTER_NODES else "False",
            "clusterPurpose": "FastProd" if context.settings.strict else "DevTest",
            "clusterId": kubernetes.cluster.id,
            "cluster_name": kubernetes.cluster.id,
            "cluster_name_friendly": kubernetes.cluster.name,
            "location": context.location,
            "jobSchedulerLocation": context.location,
            "domain": f"{context.location}.cloudapp.azure.com",
            "nginxIngress.enabled": "true",
            "relayserver.enabled": "false",
            "servicebus.enabled": "false",
        }
        if context.settings.private:
            values["internalLoadBalancerProvider"] = "azure"
        if settings.tls is None:
            values["allowInsecureConnections"] = "True"
        else:
            values |= {"sslCname": settings.tls.host_name, "sslSecret": settings.tls.secret_name}
        return values


def _properties(settings: Kubernetes) -> ml.KubernetesPropertiesArgs:
    return ml.KubernetesPropertiesArgs(
        namespace=settings.namespace,
        default_instance_type=INSTANCE_TYPE,
        instance_types={
            INSTANCE_TYPE: ml.InstanceTypeSchemaArgs(
                node_selector=pool_labels(settings),
                resources=ml.InstanceTypeSchemaResourcesArgs(requests=REQUESTS, limits=LIMITS),
            )
        },
    )

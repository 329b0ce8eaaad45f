"""When Azure may upgrade the AKS cluster and its nodes' images."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import containerservice as aks

from resources.group import ResourceGroup
from settings.platform import MaintenanceWindow

# AKS gives these two schedules their meaning by their names.
SCHEDULES = ("aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule")


def maintenance_windows(
    cluster: aks.ManagedCluster, window: MaintenanceWindow, group: ResourceGroup, parent: pulumi.Resource
) -> None:
    """Declare the window for both: upgrades of the cluster, and of its nodes' images."""
    for schedule in SCHEDULES:
        aks.MaintenanceConfiguration(
            schedule,
            config_name=schedule,
            resource_name_=cluster.name,
            resource_group_name=group.name,
            maintenance_window=aks.MaintenanceWindowArgs(
                schedule=aks.ScheduleArgs(weekly=aks.WeeklyScheduleArgs(day_of_week=window.day, interval_weeks=1)),
                start_time=window.start,
                duration_hours=window.hours,
                utc_offset=window.utc_offset,
            ),
            opts=pulumi.ResourceOptions(parent=parent),
        )

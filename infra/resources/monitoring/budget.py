"""The monthly budget of a stack, and who is notified when it is used up, or is forecast to be."""

from __future__ import annotations

from datetime import date

import pulumi
from pulumi_azure_native import consumption

from resources.context import Component
from resources.monitoring.alerts import ActionGroup
from settings.stage import Budget as BudgetSettings

FORECAST_PERCENT = 100


class Budget(Component):
    """A budget on one resource group. It notifies; it does not stop anything.

    Azure takes a start in the current month only, and no update without the budget's latest eTag, which the provider
    does not send: a changed budget is deleted and made again, from the month of the change. The start alone, which is
    another one every month, is no change.
    """

    def __init__(
        self, name: str, scope: pulumi.Input[str], settings: BudgetSettings, notify: ActionGroup, today: date
    ) -> None:
        super().__init__("budget")
        consumption.Budget(
            "budget",
            budget_name=name,
            scope=scope,
            category="Cost",
            amount=settings.amount,
            time_grain="Monthly",
            time_period=consumption.BudgetTimePeriodArgs(start_date=f"{today:%Y-%m}-01T00:00:00Z"),
            notifications=_notifications(settings, notify.id),
            opts=pulumi.ResourceOptions(
                parent=self,
                delete_before_replace=True,
                replace_on_changes=["*"],
                ignore_changes=["timePeriod"],
            ),
        )
        self.register_outputs({})


def _notifications(
    settings: BudgetSettings, action_group: pulumi.Input[str]
) -> dict[str, consumption.NotificationArgs]:
    found = {
        f"actual-{percent}": _notification("Actual", percent, action_group) for percent in settings.notify_at_percent
    }
    found[f"forecast-{FORECAST_PERCENT}"] = _notification("Forecasted", FORECAST_PERCENT, action_group)
    return found


def _notification(kind: str, percent: int, action_group: pulumi.Input[str]) -> consumption.NotificationArgs:
    return consumption.NotificationArgs(
        enabled=True,
        operator="GreaterThanOrEqualTo",
        threshold=percent,
        threshold_type=kind,
        contact_emails=[],
        contact_groups=[action_group],
    )

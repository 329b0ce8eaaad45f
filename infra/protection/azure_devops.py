"""What protects a repository in Azure DevOps: branch policies, and checks on its environments.

The token comes from AZDO_PERSONAL_ACCESS_TOKEN or a login where `pulumi up` runs; it is in no settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pulumi
import pulumi_azuredevops as devops

from settings.repository import AzureDevOpsRepository, Protection

APPROVAL_MINUTES = 3 * 24 * 60
LOCK_MINUTES = 24 * 60
VALID_MINUTES = 12 * 60
Scope = TypeVar("Scope")


class AzureDevOpsProtection(pulumi.ComponentResource):
    """The protection of one repository."""

    def __init__(self, repository: AzureDevOpsRepository, protection: Protection) -> None:
        super().__init__("infra:protection:AzureDevOpsProtection", "azure-devops")
        self._repository = repository
        self._branch = f"refs/heads/{protection.branch}"
        self._rules = protection.azure_devops
        self._opts = pulumi.ResourceOptions(parent=self)
        self._reviews()
        self._build()
        if repository.release_reviewer_ids:
            self._release_reviews()
        for name, environment in repository.environment_ids.items():
            self._environment(name, str(environment))
        self.register_outputs({})

    def _reviews(self) -> None:
        devops.BranchPolicyMinReviewers(
            "reviews",
            project_id=self._repository.project_id,
            enabled=True,
            blocking=True,
            settings=devops.BranchPolicyMinReviewersSettingsArgs(
                reviewer_count=self._rules.pull_requests.approvals,
                submitter_can_vote=False,
                last_pusher_cannot_approve=True,
                on_push_reset_approved_votes=True,
                allow_completion_with_rejects_or_waits=False,
                scopes=self._scopes(devops.BranchPolicyMinReviewersSettingsScopeArgs),
            ),
            opts=self._opts,
        )

    def _build(self) -> None:
        devops.BranchPolicyBuildValidation(
            "checks",
            project_id=self._repository.project_id,
            enabled=True,
            blocking=True,
            settings=devops.BranchPolicyBuildValidationSettingsArgs(
                display_name="checks",
                build_definition_id=self._repository.build_definition_id,
                valid_duration=VALID_MINUTES,
                queue_on_source_update_only=True,
                scopes=self._scopes(devops.BranchPolicyBuildValidationSettingsScopeArgs),
            ),
            opts=self._opts,
        )

    def _release_reviews(self) -> None:
        devops.BranchPolicyAutoReviewers(
            "release-reviews",
            project_id=self._repository.project_id,
            enabled=True,
            blocking=True,
            settings=devops.BranchPolicyAutoReviewersSettingsArgs(
                auto_reviewer_ids=list(self._repository.release_reviewer_ids),
                path_filters=list(self._rules.pull_requests.reviewed_paths),
                submitter_can_vote=False,
                message="This changes what a stage runs, or the infrastructure it runs on.",
                scopes=self._scopes(devops.BranchPolicyAutoReviewersSettingsScopeArgs),
            ),
            opts=self._opts,
        )

    def _scopes(self, scope: Callable[..., Scope]) -> list[Scope]:
        """The default branch, as an instance of the policy's own class."""
        return [scope(repository_id=self._repository.repository_id, repository_ref=self._branch, match_type="Exact")]

    def _environment(self, name: str, environment: str) -> None:
        repository = self._repository
        # One rollout at a time: a second run waits for the first.
        devops.CheckExclusiveLock(
            f"one-at-a-time-{name}",
            project_id=repository.project_id,
            target_resource_id=environment,
            target_resource_type="environment",
            timeout=LOCK_MINUTES,
            opts=self._opts,
        )
        if self._rules.environments[name].reviewers and repository.approver_ids:
            devops.CheckApproval(
                f"approval-{name}",
                project_id=repository.project_id,
                target_resource_id=environment,
                target_resource_type="environment",
                approvers=list(repository.approver_ids),
                requester_can_approve=False,
                minimum_required_approvers=1,
                timeout=APPROVAL_MINUTES,
                opts=self._opts,
            )

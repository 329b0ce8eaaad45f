"""What protects a repository in Azure DevOps: branch policies, and checks on its environments.

The token comes from AZDO_PERSONAL_ACCESS_TOKEN or a login where `pulumi up` runs; it is in no settings.
"""

from __future__ import annotations

import pulumi
import pulumi_azuredevops as devops

from settings.repository import ENVIRONMENTS, AzureDevOpsProtection

APPROVAL_MINUTES = 3 * 24 * 60
LOCK_MINUTES = 24 * 60
REVIEWED_PATHS = ("/releases/*", "/infra/*", "/schema.yml")
VALID_MINUTES = 12 * 60


class AzureDevOpsRepository(pulumi.ComponentResource):
    """The protection of one repository."""

    def __init__(self, settings: AzureDevOpsProtection) -> None:
        super().__init__("infra:protection:AzureDevOpsRepository", "azure-devops")
        self._settings = settings
        self._opts = pulumi.ResourceOptions(parent=self)
        self._reviews()
        self._build()
        if settings.release_reviewer_ids:
            self._release_reviews()
        for stage, environment in settings.environment_ids.items():
            self._stage(stage, str(environment))
        self.register_outputs({})

    def _reviews(self) -> None:
        settings = self._settings
        devops.BranchPolicyMinReviewers(
            "reviews",
            project_id=settings.project_id,
            enabled=True,
            blocking=True,
            settings=devops.BranchPolicyMinReviewersSettingsArgs(
                reviewer_count=settings.approvals,
                submitter_can_vote=False,
                last_pusher_cannot_approve=True,
                on_push_reset_approved_votes=True,
                allow_completion_with_rejects_or_waits=False,
                scopes=[
                    devops.BranchPolicyMinReviewersSettingsScopeArgs(
                        repository_id=settings.repository_id,
                        repository_ref=settings.default_branch,
                        match_type="Exact",
                    )
                ],
            ),
            opts=self._opts,
        )

    def _build(self) -> None:
        settings = self._settings
        devops.BranchPolicyBuildValidation(
            "checks",
            project_id=settings.project_id,
            enabled=True,
            blocking=True,
            settings=devops.BranchPolicyBuildValidationSettingsArgs(
                display_name="checks",
                build_definition_id=settings.build_definition_id,
                valid_duration=VALID_MINUTES,
                queue_on_source_update_only=True,
                scopes=[
                    devops.BranchPolicyBuildValidationSettingsScopeArgs(
                        repository_id=settings.repository_id,
                        repository_ref=settings.default_branch,
                        match_type="Exact",
                    )
                ],
            ),
            opts=self._opts,
        )

    def _release_reviews(self) -> None:
        settings = self._settings
        devops.BranchPolicyAutoReviewers(
            "release-reviews",
            project_id=settings.project_id,
            enabled=True,
            blocking=True,
            settings=devops.BranchPolicyAutoReviewersSettingsArgs(
                auto_reviewer_ids=list(settings.release_reviewer_ids),
                path_filters=list(REVIEWED_PATHS),
                submitter_can_vote=False,
                message="This changes what a stage runs, or what it runs on.",
                scopes=[
                    devops.BranchPolicyAutoReviewersSettingsScopeArgs(
                        repository_id=settings.repository_id,
                        repository_ref=settings.default_branch,
                        match_type="Exact",
                    )
                ],
            ),
            opts=self._opts,
        )

    def _stage(self, stage: str, environment: str) -> None:
        settings = self._settings
        # One rollout at a time: a second run waits for the first.
        devops.CheckExclusiveLock(
            f"one-at-a-time-{stage}",
            project_id=settings.project_id,
            target_resource_id=environment,
            target_resource_type="environment",
            timeout=LOCK_MINUTES,
            opts=self._opts,
        )
        if ENVIRONMENTS[stage].reviewers and settings.approver_ids:
            devops.CheckApproval(
                f"approval-{stage}",
                project_id=settings.project_id,
                target_resource_id=environment,
                target_resource_type="environment",
                approvers=list(settings.approver_ids),
                requester_can_approve=False,
                minimum_required_approvers=1,
                timeout=APPROVAL_MINUTES,
                opts=self._opts,
            )

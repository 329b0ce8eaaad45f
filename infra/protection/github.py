"""What protects a repository on GitHub: a ruleset, the environments of its workflows, and what Actions may do.

The token comes from GITHUB_TOKEN where `pulumi up` runs; it is in no settings and in no state.
"""

from __future__ import annotations

import pulumi
import pulumi_github as github

from settings.repository import EnvironmentProtection, GitHubRepository, Protection


class GitHubProtection(pulumi.ComponentResource):
    """The protection of one repository."""

    def __init__(self, repository: GitHubRepository, protection: Protection) -> None:
        super().__init__("infra:protection:GitHubProtection", "github")
        self._repository = repository
        self._branch = protection.branch
        self._rules = protection.github
        provider = github.Provider("github", owner=repository.organisation, opts=pulumi.ResourceOptions(parent=self))
        self._opts = pulumi.ResourceOptions(parent=self, provider=provider)
        self._ruleset()
        for name, environment in self._rules.environments.items():
            self._environment(name, environment)
        self._actions()
        self.register_outputs({})

    def _ruleset(self) -> None:
        pull_requests = self._rules.pull_requests
        github.RepositoryRuleset(
            "default-branch",
            repository=self._repository.repository,
            name="protect-default-branch",
            target="branch",
            enforcement="active",
            conditions=github.RepositoryRulesetConditionsArgs(
                ref_name=github.RepositoryRulesetConditionsRefNameArgs(
                    includes=[f"refs/heads/{self._branch}"], excludes=[]
                )
            ),
            rules=github.RepositoryRulesetRulesArgs(
                deletion=True,
                non_fast_forward=True,
                required_linear_history=True,
                pull_request=github.RepositoryRulesetRulesPullRequestArgs(
                    required_approving_review_count=pull_requests.approvals,
                    dismiss_stale_reviews_on_push=True,
                    require_last_push_approval=True,
                    require_code_owner_review=True,
                    required_review_thread_resolution=True,
                ),
                required_status_checks=github.RepositoryRulesetRulesRequiredStatusChecksArgs(
                    strict_required_status_checks_policy=True,
                    required_checks=[
                        github.RepositoryRulesetRulesRequiredStatusChecksRequiredCheckArgs(context=check)
                        for check in pull_requests.checks
                    ],
                ),
            ),
            opts=self._opts,
        )

    def _environment(self, name: str, protection: EnvironmentProtection) -> None:
        repository = self._repository
        reviewed = protection.reviewers and repository.reviewer_team_ids
        teams = github.RepositoryEnvironmentReviewerArgs(teams=list(repository.reviewer_team_ids), users=[])
        policy = github.RepositoryEnvironmentDeploymentBranchPolicyArgs(
            protected_branches=False, custom_branch_policies=True
        )
        environment = github.RepositoryEnvironment(
            f"environment-{name}",
            repository=repository.repository,
            environment=name,
            can_admins_bypass=False,
            prevent_self_review=bool(reviewed),
            reviewers=[teams] if reviewed else [],
            deployment_branch_policy=None if protection.any_branch else policy,
            opts=self._opts,
        )
        if protection.any_branch:
            return
        github.RepositoryEnvironmentDeploymentPolicy(
            f"environment-{name}-branch",
            repository=repository.repository,
            environment=environment.environment,
            branch_pattern=self._branch,
            opts=self._opts,
        )

    def _actions(self) -> None:
        repository = self._repository.repository
        github.ActionsRepositoryPermissions(
            "actions",
            repository=repository,
            enabled=True,
            allowed_actions="selected",
            sha_pinning_required=True,
            allowed_actions_config=github.ActionsRepositoryPermissionsAllowedActionsConfigArgs(
                github_owned_allowed=True, verified_allowed=False, patterns_alloweds=list(self._rules.actions.allowed)
            ),
            opts=self._opts,
        )
        github.WorkflowRepositoryPermissions(
            "workflow-token",
            repository=repository,
            default_workflow_permissions="read",
            # GitHub has one switch for opening and approving: promotion needs workflows to open pull requests.
            can_approve_pull_request_reviews=True,
            opts=self._opts,
        )

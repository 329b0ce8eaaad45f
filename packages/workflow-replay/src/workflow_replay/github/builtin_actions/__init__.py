"""The effects of well-known actions."""

from __future__ import annotations

from typing import Final

from workflow_replay.effects import Effects, no_op
from workflow_replay.github.builtin_actions.artifacts import download, upload
from workflow_replay.github.builtin_actions.checkout import checkout
from workflow_replay.github.builtin_actions.identity import app_token, azure_login
from workflow_replay.github.builtin_actions.supply_chain import attest, review_dependencies, upload_findings
from workflow_replay.github.builtin_actions.tools import cache, pulumi

BUILTIN_ACTIONS: Final = Effects({
    "actions/checkout": checkout,
    "actions/setup-python": no_op,
    "actions/setup-node": no_op,
    "astral-sh/setup-uv": no_op,
    "actions/cache": cache,
    "actions/cache/restore": cache,
    "actions/cache/save": no_op,
    "actions/upload-artifact": upload,
    "actions/download-artifact": download,
    "azure/login": azure_login({}),
    "actions/create-github-app-token": app_token,
    "pulumi/actions": pulumi,
    "actions/attest": attest,
    "actions/attest-build-provenance": attest,
    "actions/attest-sbom": attest,
    "actions/dependency-review-action": review_dependencies,
    "github/codeql-action/init": no_op,
    "github/codeql-action/autobuild": no_op,
    "github/codeql-action/analyze": upload_findings,
    "github/codeql-action/upload-sarif": upload_findings,
})  # fmt: skip

"""What well-known actions do here."""

from __future__ import annotations

from typing import Final

from workflow_replay.effects import Effects, nothing
from workflow_replay.github.known.artifacts import download, upload
from workflow_replay.github.known.checkout import checkout
from workflow_replay.github.known.identity import app_token, signs_in
from workflow_replay.github.known.supply_chain import attest, review_dependencies, upload_findings
from workflow_replay.github.known.tools import cache, pulumi

KNOWN: Final = Effects({
    "actions/checkout": checkout,
    "actions/setup-python": nothing,
    "actions/setup-node": nothing,
    "astral-sh/setup-uv": nothing,
    "actions/cache": cache,
    "actions/cache/restore": cache,
    "actions/cache/save": nothing,
    "actions/upload-artifact": upload,
    "actions/download-artifact": download,
    "azure/login": signs_in({}),
    "actions/create-github-app-token": app_token,
    "pulumi/actions": pulumi,
    "actions/attest": attest,
    "actions/attest-build-provenance": attest,
    "actions/attest-sbom": attest,
    "actions/dependency-review-action": review_dependencies,
    "github/codeql-action/init": nothing,
    "github/codeql-action/autobuild": nothing,
    "github/codeql-action/analyze": upload_findings,
    "github/codeql-action/upload-sarif": upload_findings,
})  # fmt: skip

"""Attestations, dependency reviews and code scanning: only their requirements are checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from workflow_replay.effects import EffectContext, EffectFailed, EffectResult
from workflow_replay.github.builtin_actions.inputs import lines, text

_STATEMENT: Final = "https://in-toto.io/Statement/v1"


def attest(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Write an unsigned statement about files; requires the permissions to sign and store it."""
    context.require("id-token", "write")
    context.require("attestations", "write")
    patterns = lines(inputs, "subject-path")
    files = sorted({path for pattern in patterns for path in context.workspace.glob(pattern) if path.is_file()})
    digest = text(inputs, "subject-digest")
    if patterns and not files:
        raise EffectFailed(f"Could not find subject at path {', '.join(patterns)}")
    if not patterns and not digest and not text(inputs, "subject-checksums"):
        raise EffectFailed("One of subject-path, subject-digest, or subject-checksums must be provided")
    subjects = [
        {"name": file.name, "digest": {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}} for file in files
    ]
    if digest:
        kind, _, value = digest.partition(":")
        subjects.append({"name": text(inputs, "subject-name"), "digest": {kind: value}})
    bundle = context.temporary / f"attestation-{len(list(context.temporary.glob('attestation-*')))}.json"
    bundle.write_text(json.dumps({"_type": _STATEMENT, "subject": subjects}))
    context.log(f"attested {len(subjects)} subjects, unsigned")
    return EffectResult(outputs={"bundle-path": str(bundle), "attestation-id": "1"})


def review_dependencies(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:
    """Review nothing; fail where the real action has nothing to compare: without a pull request."""
    context.require("contents", "read")
    given = text(inputs, "base-ref") and text(inputs, "head-ref")
    if context.event not in ("pull_request", "pull_request_target", "merge_group") and not given:
        raise EffectFailed("Both a base ref and head ref must be provided, or the action run on a pull request")
    context.log("dependencies are not reviewed in a replay")
    return EffectResult()


def upload_findings(inputs: Mapping[str, str], context: EffectContext) -> EffectResult:  # noqa: ARG001 - a signature
    """Upload nothing; requires the permission to upload."""
    context.require("security-events", "write")
    return EffectResult()

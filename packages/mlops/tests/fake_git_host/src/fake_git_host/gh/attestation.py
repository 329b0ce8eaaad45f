"""`gh attestation verify`: whether a workflow attested a file, according to a list of digests, without signatures."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from fake_git_host.errors import Refusal
from fake_git_host.flags import Flag, Parsed
from fake_git_host.state import State

PROVENANCE = "https://slsa.dev/provenance/v1"
FLAGS = (
    Flag(("--repo", "-R")),
    Flag(("--predicate-type",)),
    Flag(("--signer-workflow",)),
    Flag(("--source-ref",)),
    Flag(("--format",)),
)


def verify_attestation(state: State, parsed: Parsed, actor: str) -> str:
    """Return gh's JSON list. Raises Refusal if there is no attestation, or only those of another workflow."""
    if len(parsed.words) != 1:
        raise Refusal("must specify exactly one file path or OCI URI")
    if parsed.one("--repo") != f"{state.owner}/{state.name}":
        raise Refusal("--owner or --repo is required, and this fake has one repository")
    digest = hashlib.sha256(Path(parsed.words[0]).read_bytes()).hexdigest()
    found = [each for each in state.attested if each["statement"]["subject"][0]["digest"]["sha256"] == digest]
    if not found:
        route = f"repos/{state.owner}/{state.name}/attestations/sha256:{digest}"
        raise Refusal(f"Error: HTTP 404: Not Found (https://api.github.com/{route}?per_page=30)")
    fitting = [each for each in found if _fits(each, parsed)]
    if not fitting:
        raise Refusal('Error: verifying with issuer "sigstore.dev": no attestation fits what was asked for')
    return json.dumps([_verified(each) for each in fitting]) if parsed.one("--format") == "json" else ""


def _fits(each: dict[str, Any], parsed: Parsed) -> bool:
    workflow, _, branch = each["builder"].partition("@")
    return (
        each["statement"]["predicateType"] == parsed.one("--predicate-type", PROVENANCE)
        and parsed.one("--signer-workflow", workflow) == workflow
        and parsed.one("--source-ref", branch) == branch
    )


def _verified(each: dict[str, Any]) -> dict[str, Any]:
    certificate = {"buildSignerURI": f"https://github.com/{each['builder']}"}
    return {"verificationResult": {"statement": each["statement"], "signature": {"certificate": certificate}}}

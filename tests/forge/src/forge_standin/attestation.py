"""`gh attestation verify`: whether a workflow of the repository attested a file. No cryptography: a list of digests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from forge_standin.errors import Refusal
from forge_standin.flags import Flag, Parsed
from forge_standin.state import State

PROVENANCE = "https://slsa.dev/provenance/v1"
FLAGS = (
    Flag(("--repo", "-R")),
    Flag(("--predicate-type",)),
    Flag(("--signer-workflow",)),
    Flag(("--format",)),
)


def verify_attestation(state: State, parsed: Parsed, actor: str) -> str:
    """Answer gh's JSON list. Raises Refusal when nobody attested the file, or another workflow did."""
    if len(parsed.words) != 1:
        raise Refusal("must specify exactly one file path or OCI URI")
    if parsed.one("--repo") != f"{state.owner}/{state.name}":
        raise Refusal("--owner or --repo is required, and this stand-in knows one repository")
    digest = hashlib.sha256(Path(parsed.words[0]).read_bytes()).hexdigest()
    found = [each for each in state.attested if each["sha256"] == digest]
    if not found:
        raise Refusal(
            f"Error: HTTP 404: Not Found (https://api.github.com/repos/{state.owner}/{state.name}/attestations/sha256:{digest}?per_page=30)"
        )
    wanted = (parsed.one("--predicate-type", PROVENANCE), parsed.one("--signer-workflow"))
    fitting = [each for each in found if each["predicate_type"] == wanted[0] and wanted[1] in {None, each["workflow"]}]
    if not fitting:
        raise Refusal(f'Error: no matching predicate found, or verifying with issuer "sigstore.dev" failed: {wanted}')
    return json.dumps([_verified(each) for each in fitting]) if parsed.one("--format") == "json" else ""


def _verified(each: dict[str, str]) -> dict[str, object]:
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": each["subject"], "digest": {"sha256": each["sha256"]}}],
        "predicateType": each["predicate_type"],
    }
    return {
        "verificationResult": {
            "statement": statement,
            "signature": {"certificate": {"buildSignerURI": each["workflow"]}},
        }
    }

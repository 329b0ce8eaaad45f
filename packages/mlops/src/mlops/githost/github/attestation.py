"""Whether GitHub holds a signature of a provenance statement, asked of `gh attestation verify`.

What is signed is the package by its digest, so that the signature needs no bytes of the model.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

from mlops.core.programs import run_program
from mlops.githost.interface import Attested, RemoteAddress

_CHECKSUM_FILE: Final = "SHA256SUMS"


def attestation_problem(remote: RemoteAddress, attested: Attested) -> str | None:
    """Why no signature vouches for the statement; None when one does. Raises MachineError without `gh`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / _CHECKSUM_FILE
        file.write_bytes(attested.checksums)
        asked = ("--repo", f"{remote.owner}/{remote.name}", *_signer(remote, attested.builder))
        form = ("--predicate-type", attested.predicate_type, "--format", "json")
        command = ("gh", "attestation", "verify", str(file), *asked, *form)
        answer = run_program(command, Path(folder), otherwise="require no attestation in releases/provenance.yml")
    if answer.code != 0:
        return f"no valid attestation: {answer.reason}"
    signed = [
        each.get("verificationResult", {}).get("statement", {}).get("predicate") for each in json.loads(answer.stdout)
    ]
    return None if attested.predicate in signed else "what was attested is not what the statement says"


def _signer(remote: RemoteAddress, builder: str) -> list[str]:
    """The workflow and its branch as `gh` asks for them; nothing for another builder, whose statement says so."""
    workflow, _, branch = builder.partition("@")
    if not workflow.startswith(f"{remote.origin}/.github/"):
        return []
    return ["--signer-workflow", workflow.removeprefix(f"https://{remote.server}/"), "--source-ref", branch]

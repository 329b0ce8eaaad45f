"""Whether GitHub holds a signature of the very statement: asked of `gh attestation verify`.

What is signed is the package by its digest, so that the signature needs no bytes of the model.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

from mlops.core.programs import ask
from mlops.core.remote_address import RemoteAddress
from mlops.models.package import checksums
from mlops.provenance.statement import PREDICATE_TYPE, Statement

CHECKSUM_FILE: Final = "SHA256SUMS"


def attestation_problem(remote: RemoteAddress, package: Path, statement: Statement) -> str:
    """Why no signature of GitHub's vouches for the statement; "" when one does. Raises MachineError without `gh`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / CHECKSUM_FILE
        file.write_bytes(checksums(package))
        asked = ("--repo", f"{remote.owner}/{remote.name}", *_signer(remote, statement))
        form = ("--predicate-type", PREDICATE_TYPE, "--format", "json")
        command = ("gh", "attestation", "verify", str(file), *asked, *form)
        answer = ask(command, Path(folder), otherwise="ask no attestation in releases/provenance.yml")
    if answer.code != 0:
        return f"no valid attestation: {answer.last_complaint}"
    stated = json.loads(statement.predicate.model_dump_json(exclude_none=True))
    attested = [
        each.get("verificationResult", {}).get("statement", {}).get("predicate") for each in json.loads(answer.text)
    ]
    return "" if stated in attested else "what was attested is not what the statement says"


def _signer(remote: RemoteAddress, statement: Statement) -> list[str]:
    """The workflow and its branch as `gh` asks for them; nothing for another builder, whose statement says so."""
    workflow, _, branch = statement.builder.partition("@")
    if not workflow.startswith(f"{remote.origin}/.github/"):
        return []
    return ["--signer-workflow", workflow.removeprefix(f"https://{remote.host}/"), "--source-ref", branch]

"""Whether GitHub holds a signature of the very statement: asked of `gh attestation verify`.

What is signed is the package by its digest, so that the signature needs no bytes of the model.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from mlops.errors import MachineError
from mlops.package import checksums
from mlops.provenance.statement import PREDICATE_TYPE, Statement
from mlops.remote_address import RemoteAddress

CHECKSUM_FILE: Final = "SHA256SUMS"
_TIMEOUT_SECONDS: Final = 120


def attestation_problem(remote: RemoteAddress, package: Path, statement: Statement) -> str:
    """Why no signature of GitHub's vouches for the statement; "" when one does. Raises MachineError without `gh`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / CHECKSUM_FILE
        file.write_bytes(checksums(package))
        command = ["gh", "attestation", "verify", str(file), "--repo", f"{remote.owner}/{remote.name}"]
        command += _signer(remote, statement)
        answer = _ask([*command, "--predicate-type", PREDICATE_TYPE, "--format", "json"])
    if isinstance(answer, str):
        return f"no valid attestation: {answer}"
    stated = json.loads(statement.predicate.model_dump_json(exclude_none=True))
    attested = [each.get("verificationResult", {}).get("statement", {}).get("predicate") for each in answer]
    return "" if stated in attested else "what was attested is not what the statement says"


def _signer(remote: RemoteAddress, statement: Statement) -> list[str]:
    """The workflow and its branch as `gh` asks for them; nothing for another builder, whose statement says so."""
    workflow, _, branch = statement.builder.partition("@")
    if not workflow.startswith(f"{remote.origin}/.github/"):
        return []
    return ["--signer-workflow", workflow.removeprefix(f"https://{remote.host}/"), "--source-ref", branch]


def _ask(command: list[str]) -> list[dict[str, Any]] | str:
    """What `gh` has verified, or in one line why not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except FileNotFoundError as error:
        advice = "Install `gh` and log in, or ask no attestation in releases/provenance.yml."
        raise MachineError("`gh` is not installed", advice) from error
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"`gh` did not answer within {_TIMEOUT_SECONDS} s", "Is GitHub reachable?") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        return lines[-1] if lines else f"`gh` ended with {done.returncode}"
    return json.loads(done.stdout)

"""Fuzzed bodies to every route of an emulator: none may fail, tell a trace, or change anything when it is refused."""

from __future__ import annotations

import http.client
import random
import re
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from attack.documents import OTHERS, PROPERTIES, mutated
from attack.findings import Findings
from azureml_emulator.app import Emulator
from azureml_emulator.kernel.kinds import KINDS
from azureml_emulator.kernel.settings import Settings
from azureml_emulator.testing import RunningEmulator, running_emulator

SHOWN_BYTES = 300
TIMEOUT_SECONDS = 120.0
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_WRITING = ("PUT", "POST", "PATCH")
_ACTIONS = (
    "startPendingUpload",
    "listSecrets",
    "listKeys",
    "regenerateKeys",
    "token",
    "getLogs",
    "validate",
    "cancel",
    "trigger",
    "diagnose",
)
_WEIGHT = 12
_NOT_FAILURES = {501, 503, 507}
_SERVER_ERROR, _CLIENT_ERROR = 500, 400
Target = tuple[str, str, str]
"""Method, path, and the kind of the document that belongs there; "" for none."""


def fuzz(count: int, seed: int) -> Findings:
    """Send `count` bodies, each to a random route."""
    findings, rng = Findings("fuzz"), random.Random(seed)  # noqa: S311 - to be repeated
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        with running_emulator(state, background_start="lazy") as emulator:
            targets = list(_targets(emulator, Path(folder)))
            with closing(_Client(emulator)) as client, closing(_Watched(state)) as watched:
                # Workspaces and registries are made on first use, also by what is then refused.
                for path in {path for _, path, _ in targets if "/providers/" in path}:
                    client.send("GET", path.partition("?")[0], b"")
                # Routes that answer 501 whatever they are sent are the most, and the least interesting.
                weights = [_WEIGHT if kind in PROPERTIES else 1 for _, _, kind in targets]
                for target in rng.choices(targets, weights, k=count):
                    _attack(client, watched, target, rng, findings)
                    findings.progress(count)
        log = (state / "emulator.log").read_text(errors="replace")
    for line in sorted({each for each in log.splitlines() if each.startswith("Traceback")}):
        findings.add(f"the emulator's log has '{line}' {log.count(line)} times; the first: {_first_error(log)}")
    return findings


def _attack(client: _Client, watched: _Watched, target: Target, rng: random.Random, findings: Findings) -> None:
    method, path, kind = target
    document = {"properties": rng.choice(PROPERTIES[kind]), "tags": {}} if kind in PROPERTIES else rng.choice(OTHERS)
    body = mutated(document, rng)
    before = watched.keys()
    try:
        status, answer = client.send(method, path, body)
    except (OSError, http.client.HTTPException) as error:
        findings.add(f"{method} {path} has no answer: {type(error).__name__}: {error}; body {body[:SHOWN_BYTES]!r}")
        client.close()
        return
    findings.saw(str(status))
    shown = f"{method} {path} answers {status} {answer[:SHOWN_BYTES]!r} to {body[:SHOWN_BYTES]!r}"
    if (status >= _SERVER_ERROR and status not in _NOT_FAILURES) or b"Traceback" in answer:
        findings.add(shown)
    elif status >= _CLIENT_ERROR and (changed := before ^ watched.keys()):
        findings.add(f"{shown}, and changed {sorted(changed)[:3]}")


class _Client:
    """Sends bodies with a token, on one connection."""

    def __init__(self, emulator: RunningEmulator) -> None:
        address = urlsplit(emulator.base_url)
        self._connection = http.client.HTTPSConnection(
            address.hostname or "", address.port, context=emulator.trust(), timeout=TIMEOUT_SECONDS
        )
        self._headers = {"Authorization": f"Bearer {emulator.token()}", "Content-Type": "application/json"}

    def send(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        try:
            return self._send(method, path, body)
        except http.client.RemoteDisconnected:
            # A server may close a connection that rests at the moment at which a client uses it again.
            self._connection.close()
            return self._send(method, path, body)

    def _send(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        self._connection.request(method, path, body, self._headers)
        reply = self._connection.getresponse()
        answer = reply.read()
        if reply.will_close:
            self._connection.close()
        return reply.status, answer

    def close(self) -> None:
        """Close the connection; the next request opens one."""
        self._connection.close()


class _Watched:
    """The resources in an emulator's database, read beside it."""

    def __init__(self, state: Path) -> None:
        self._database = sqlite3.connect(f"file:{state / 'emulator.sqlite'}?mode=ro", uri=True)

    def keys(self) -> set[tuple[str, int]]:
        """Every resource with a checksum of its document; jobs change by themselves."""
        rows = self._database.execute("SELECT key, document FROM resources WHERE kind != 'jobs'")
        return {(key, zlib.crc32(document.encode())) for key, document in rows}

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _targets(emulator: RunningEmulator, folder: Path) -> Iterator[Target]:
    """Every route that takes a body, as the application has it, and every kind of resource with its actions."""
    settings = emulator.settings
    known = {"s": settings.subscription, "g": settings.resource_group, "w": settings.workspace, "run": "fuzz"}
    parts_state = folder / "parts"
    parts_state.mkdir()
    parts = Emulator(Settings(state=parts_state), "https://127.0.0.1:1")
    for route in parts.routes():
        path = _PARAMETER.sub(lambda match: known.get(match[1], "fuzz"), route.path)
        for method in sorted((route.methods or set()) & set(_WRITING)):
            yield method, path, ""
    parts.processes.close()
    parts.store.close()
    provider = "providers/Microsoft.MachineLearningServices"
    scope = f"/subscriptions/{settings.subscription}/resourceGroups/{settings.resource_group}/{provider}"
    for kind in KINDS.values():
        names = [f"{part}/{'1' if part == 'versions' else 'fuzz'}" for part in kind.path.split("/")]
        above = "" if kind.path in {"workspaces", "registries"} else f"/workspaces/{settings.workspace}"
        path = f"{scope}{above}/{'/'.join(names)}"
        for method in ("PUT", "PATCH"):
            yield method, path, kind.path.lower()
        for action in _ACTIONS:
            yield "POST", f"{path}/{action}", ""


def _first_error(log: str) -> str:
    after = log.partition("Traceback")[2].splitlines()
    return next((line for line in after[1:] if line and not line.startswith(" ")), "")

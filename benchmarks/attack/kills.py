"""Kills at random moments: of the emulator, of a client, of a step. What was acknowledged must be there afterwards.

After each kill the emulator is started again, and must have every blob with its bytes, every model with its files,
an end for every job, and nothing that is half done.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from attack.findings import Findings
from azureml_emulator.control.daemon import DaemonError
from azureml_emulator.testing import RunningEmulator, running_emulator, wait_for

VICTIMS = ("emulator", "client", "step")
LONGEST_SECONDS = 3.0
ENDED = {"Completed", "Failed", "Canceled"}
_PATIENCE_SECONDS = 300.0


def kill(count: int, seed: int) -> Findings:
    """Kill `count` times, always on the same state."""
    findings, rng = Findings("kills"), random.Random(seed)  # noqa: S311 - to be repeated
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        with running_emulator(state, background_start="lazy", step_launcher="plain") as emulator:
            done: list[dict[str, str]] = []
            for number in range(count):
                victim = rng.choice(VICTIMS)
                done += _trial(emulator, victim, number, rng.uniform(0.05, LONGEST_SECONDS), findings)
                _check(emulator, done, f"after kill {number} of the {victim}", findings)
                findings.saw(victim)
                findings.progress(count)
    return findings


def _trial(
    emulator: RunningEmulator, victim: str, number: int, seconds: float, findings: Findings
) -> list[dict[str, str]]:
    """Let a client work, kill the victim after some seconds, restart; what the client was told is done."""
    command = [sys.executable, "-m", "attack.client", str(number)]
    given = json.dumps(
        {"base": emulator.base_url, "token": emulator.token(), "bundle": str(emulator.record.bundle)}
        | {"workspace": workspace_of(emulator)}
    )
    client = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with client:
        if client.stdin is None or client.stdout is None:
            raise RuntimeError("the client has no pipes")
        client.stdin.write(f"{given}\n")
        client.stdin.flush()
        time.sleep(seconds)
        match victim:
            case "emulator":
                emulator.kill()
            case "step":
                _kill_step(emulator)
        client.kill()
        told = client.stdout.read()
    if victim == "emulator":
        try:
            emulator.restart()
        except DaemonError as error:
            findings.add(f"no start after kill {number}: {error}")
            raise
    return [json.loads(line) for line in told.splitlines() if line.endswith("}")]


def _kill_step(emulator: RunningEmulator) -> None:
    """Kill the process group of a running step, if there is one."""
    with _database(emulator) as database:
        rows = database.execute("SELECT value FROM records WHERE topic = 'process' AND key LIKE 'attack-%'").fetchall()
    for (value,) in rows[:1]:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(json.loads(value)["pid"], signal.SIGKILL)


def _check(emulator: RunningEmulator, done: list[dict[str, str]], when: str, findings: Findings) -> None:
    state = emulator.settings.state
    with client_of(emulator.base_url, emulator.token(), emulator.record.bundle) as client:
        for each in done:
            problem = _CHECKS[each["kind"]](client, each)
            if problem:
                findings.add(f"{when}: {each['kind']} {each['path'].rpartition('/')[2]} {problem}")
        for name in _models(emulator):
            reply = client.get(f"{workspace_of(emulator)}/models/{name}/versions/1")
            files = list((state / "blobs").glob(f"*/*/azureml-registered/models/{name}/versions/1/*"))
            if reply.status_code != httpx.codes.OK or not files:
                findings.add(f"{when}: model {name} is half registered ({reply.status_code}, {len(files)} files)")
    # A killed client's last upload ends soon after it.
    partial = state / "uploads" / "partial"
    try:
        wait_for(lambda: not list(partial.iterdir()), _PATIENCE_SECONDS)
    except TimeoutError:
        findings.add(f"{when}: temporary files stay: {[each.name for each in partial.iterdir()]}")


def _blob(client: httpx.Client, done: dict[str, str]) -> str:
    reply = client.get(done["path"])
    same = hashlib.sha256(reply.content).hexdigest() == done["digest"]
    return "" if same else f"has other bytes, or none ({reply.status_code})"


def _model(client: httpx.Client, done: dict[str, str]) -> str:
    reply = client.get(done["path"])
    return "" if reply.status_code == httpx.codes.OK else f"answers {reply.status_code}"


def _job(client: httpx.Client, done: dict[str, str]) -> str:
    def state() -> str:
        reply = client.get(done["path"])
        return reply.json()["properties"]["status"] if reply.is_success else f"answers {reply.status_code}"

    try:
        wait_for(lambda: state() in ENDED, _PATIENCE_SECONDS)
    except TimeoutError:
        return f"has no end: {state()}"
    return ""


_CHECKS = {"blob": _blob, "model": _model, "job": _job}


def _models(emulator: RunningEmulator) -> list[str]:
    """The names of all models that are stored."""
    with _database(emulator) as database:
        rows = database.execute("SELECT document FROM resources WHERE kind = 'models/versions'").fetchall()
    return [json.loads(document)["id"].split("/")[-3] for (document,) in rows]


@contextmanager
def _database(emulator: RunningEmulator) -> Generator[sqlite3.Connection]:
    file = emulator.settings.state / "emulator.sqlite"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        yield database


def workspace_of(emulator: RunningEmulator) -> str:
    """The path of the emulator's workspace."""
    settings = emulator.settings
    group = f"/subscriptions/{settings.subscription}/resourceGroups/{settings.resource_group}"
    return f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{settings.workspace}"


def client_of(base: str, token: str, bundle: Path) -> httpx.Client:
    """A client with every right of the user."""
    context: Any = ssl.create_default_context(cafile=str(bundle))
    headers = {"Authorization": f"Bearer {token}", "x-ms-blob-type": "BlockBlob"}
    return httpx.Client(base_url=base, verify=context, headers=headers, trust_env=False, timeout=_PATIENCE_SECONDS)

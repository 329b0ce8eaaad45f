"""Other users of the machine reach neither the servers of deployments nor anything else of an emulator."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.other_users import NoOtherUser, check, listening, process_tree, unlisted
from azureml_emulator.security.secret_keys import read_secret_keys

pytestmark = [
    pytest.mark.xdist_group("serving"),
    pytest.mark.skipif(sys.platform != "linux", reason="sockets and processes are read from /proc"),
]


@pytest.fixture(scope="module")
def collecting(serve: Any) -> Any:
    """The endpoint with two deployments, of which one collects data."""
    serve.deploy("blue", dataCollector={"collections": {"model_inputs": {"dataCollectionMode": "Enabled"}}})
    return serve


def test_every_socket_is_listed_with_a_reason_or_out_of_reach(collecting: Any) -> None:
    assert unlisted(collecting.emulator.settings.state) == []
    _, sockets = listening(process_tree(collecting.emulator.record.pid))
    assert {path.name.partition("-")[0] for path in sockets} >= {"deployment"}


def test_another_user_gets_nothing(collecting: Any) -> None:
    try:
        got = check(collecting.emulator.settings.state)
    except NoOtherUser as reason:
        pytest.skip(str(reason))
    assert got == []


def test_command_lines_have_no_secrets(collecting: Any) -> None:
    record = collecting.emulator.record
    keys = read_secret_keys(record.settings.state)
    secrets = {keys.identity_header, keys.token_key, keys.storage_key, collecting.key}
    secrets.add(collecting.emulator.variables["MLFLOW_TRACKING_TOKEN"])
    for process in process_tree(record.pid):
        line = Path(f"/proc/{process}/cmdline")
        text = line.read_text(errors="replace") if line.exists() else ""
        assert not [secret for secret in secrets if secret in text]


def test_a_deployment_counts_only_what_the_router_sent(collecting: Any) -> None:
    # given the socket of a server, which only its owner can reach
    shown = collecting.counts("green")
    assert "port" not in shown
    socket = Path(shown["socket"])
    assert (socket.parent.stat().st_mode & 0o077, socket.parent.stat().st_uid) == (0, os.getuid())
    # when a request comes by the router, then it is answered as before
    assert json.loads(collecting.score({}, to="green").content)["text"] == "green"

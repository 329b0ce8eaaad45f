"""Code of extensions/ that ends its process, hangs, lies or looks around: an error that says so, and nothing more."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_package.errors import ExtensionError
from model_package.isolated_extensions import Limits, use_isolated_extensions
from model_package.tasks import Extensions, extensions, use_extensions

METRIC = """
import json, os, pathlib, socket, sys, time
import numpy as np
from model_package.tasks import Metric

def cost(target, answer, weights):
    {}

METRICS = [Metric("cost", "Cost", "lower", function=cost)]
"""
# Replaces what the process answers, as only code with bad intentions does.
LYING = """
import model_package.isolation.values as values
honest = values.pack
def pack(value):
    {}
    return honest(value)
values.pack = pack
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "extensions"
    folder.mkdir()
    yield folder
    use_extensions(tmp_path / "none")


def measured(folder: Path, text: str, limits: Limits | None = None) -> Any:
    """The metric of a file over two weightings of three rows."""
    (folder / "metrics.py").write_text(text)
    use_isolated_extensions(folder, limits or Limits())
    function: Any = extensions().metrics[0].function
    return function.measure(np.zeros(3), np.ones(3), np.ones((2, 3)))


# Memory is bounded on Linux alone.
# What the code does, and what the error says.
CASES = {
    "exits": (METRIC.format("os._exit(0)"), "extensions/ ended at cost: its process ended with exit code 0"),
    "leaves": (METRIC.format("sys.exit(0)"), "extensions/ ended at cost: its process ended with exit code 0"),
    "is killed": (METRIC.format("os.kill(os.getpid(), 9)"), "ended at cost: its process ended by signal 9"),
    "exits at import": ("import os\nos._exit(0)", "ended at loading: its process ended with exit code 0"),
    "takes all memory": (METRIC.format("bytearray(3 << 30)"), "cost raised MemoryError; correct the function"),
    "writes garbage": (
        METRIC.format("[os.write(each, b'?' * 64) for each in range(3, 9) if os.path.exists(f'/dev/fd/{each}')]")
        + "\nimport fcntl\n",
        "cost answered what it must not|answered with a message of|no message",
    ),
    "answers a text": (
        METRIC.format("return 1.0") + LYING.format("value = 'PASS' if hasattr(value, 'shape') else value"),
        "cost answered what it must not: it must be an array of numbers, not a str",
    ),
    "answers too few": (
        METRIC.format("return 1.0") + LYING.format("value = value[:1] if hasattr(value, 'shape') else value"),
        r"cost answered what it must not: its shape must be \[2\], not \[1\]",
    ),
    "adds an unknown field": (
        METRIC.format("return 1.0") + LYING.format("value = {**value, 'verdict': 'pass'}"),
        "loading answered what it must not: verdict: Extra inputs are not permitted",
    ),
    "has a name that steers a terminal": (
        METRIC.format("return 1.0")
        + LYING.format("value = {**value, 'metrics': [{**value['metrics'][0], 'name': '\\x1b[2J'}]}"),
        "loading answered what it must not: metrics.0.name: String should match pattern",
    ),
}


# Those that no other case is like; each starts a process.
SHORT = ("exits", "exits at import", "writes garbage", "answers too few", "adds an unknown field")


@pytest.mark.parametrize(
    "case", [pytest.param(each, marks=[] if each in SHORT else [pytest.mark.long]) for each in CASES]
)
def test_it_is_an_error_that_says_what_happened(case: str, folder: Path) -> None:
    text, says = CASES[case]

    with pytest.raises(ExtensionError, match=f"extensions/metrics.py: .*{says}"):
        measured(folder, text, Limits(memory_bytes=2 << 30))


def test_what_takes_too_long_is_ended_and_not_asked_again(folder: Path) -> None:
    text = METRIC.format("time.sleep(600)")

    with pytest.raises(ExtensionError, match=r"extensions/ ended at cost: it took longer than 0\.2 s; correct it"):
        measured(folder, text, Limits(seconds=0.2))

    own: Any = extensions().metrics[0].function
    with pytest.raises(ExtensionError, match=r"cost was not measured: extensions/ ended at cost"):
        own(np.zeros(3), np.ones(3), np.ones(3))


def test_loading_that_takes_too_long_is_ended(folder: Path) -> None:
    with pytest.raises(ExtensionError, match=r"extensions/ ended at loading: it took longer than 0\.3 s"):
        measured(folder, "import time\ntime.sleep(600)", Limits(load_seconds=0.3))


def test_an_answer_that_is_too_large_is_not_read(folder: Path) -> None:
    text = METRIC.format("return 1.0") + LYING.format("value = [1.0] * 100_000 if hasattr(value, 'shape') else value")

    with pytest.raises(ExtensionError, match=r"answered with a message of 500,0\d\d bytes, and 100,000 are allowed"):
        measured(folder, text, Limits(answer_bytes=100_000))


def test_it_sees_nothing_of_its_caller(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_CLIENT_SECRET", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "IDENTITY_HEADER", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.setenv(name, "a-secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    secret = tmp_path / "msal_token_cache.json"
    secret.write_text("a-secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        tried = {
            "environment": "sorted(os.environ.items())",
            "home": "str(pathlib.Path.home())",
            "callers_environment": f"open('/proc/{os.getpid()}/environ', 'rb').read()",
            "file": f"open({str(secret)!r}).read()",
            "listing": f"os.listdir({str(tmp_path)!r})",
            "own_code": "open(__file__, 'a')",
            "network": f"socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))",
            "shared_memory": "os.listdir('/dev/shm')",
            "terminals": "open('/dev/ptmx', 'wb')",
            "datagrams": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
            "daemons": "socket.socket(socket.AF_UNIX)",
            "signal": f"os.kill({os.getpid()}, 0)",
        }
        found = looked(folder, tried)

    assert "a-secret" not in found["environment"]
    assert str(tmp_path) not in found["home"]
    # Landlock is Linux's.
    if sys.platform == "linux":
        assert {found[name] for name in tried if name not in ("environment", "home")} == {"PermissionError"}, found


def looked(folder: Path, tried: dict[str, str]) -> dict[str, str]:
    """What each expression is to code of extensions/, which says it in its metric's title."""
    spy = f"""
import json, os, pathlib, socket
from model_package.tasks import Metric

def found(expression):
    try:
        return repr(eval(expression))[:400]
    except OSError as error:
        return type(error).__name__

METRICS = [
    Metric(name, found(expression)[:400], "lower", function=lambda t, a, w: 0.0)
    for name, expression in json.loads({json.dumps(tried)!r}).items()
]
"""
    (folder / "metrics.py").write_text(spy)
    use_isolated_extensions(folder)
    return {each.name: each.title for each in extensions().metrics}


def test_code_that_changes_libraries_changes_them_in_its_process_alone(folder: Path) -> None:
    before = np.mean
    text = METRIC.format("return float(np.mean(target))") + "\nnp.mean = lambda *_: 7.0\n"

    assert measured(folder, text).tolist() == [7.0, 7.0]

    assert np.mean is before


@pytest.mark.parametrize("name", ["", "none"])
def test_without_files_no_process_is_started(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    use_isolated_extensions(folder / name)

    assert extensions() == Extensions()

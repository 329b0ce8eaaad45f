"""Measures how long each command prints nothing in a terminal: the longest pause between two pieces of output.

It runs a demo on a clone in a temporary folder, and then every command that takes a while, in a terminal of 80
columns. Beside each, the longest wait for words: between them a counter shows that the command still works.
"""

from __future__ import annotations

import csv
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.figures import Figure

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS: Final = 2.0
COLUMNS: Final = 80
LINES: Final = 40
# Of the shell: they would point the clone at another workspace.
_WORKSPACE_VARIABLES: Final = ("AZURE", "MLFLOW", "IDENTITY", "MSI", "REQUESTS_CA", "SSL_CERT", "MLOPS")
_COUNTER: Final = re.compile(rb"\r?\x1b\[2K(?:\xe2\x80\xa6 working, \d+ s)?")
# In the order in which they can run, each in the repository whose releases the stages run.
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "train": ("train", "--fresh"),
    "deploy": ("deploy", "--stage", "dev"),
    "promote": ("promote", "--to", "staging"),
    "gate": ("gate", "--stage", "staging", "--no-record"),
    "monitor": ("monitor", "--stage", "prod", "--to", "now", "--window", "7d"),
    "explain": ("explain", "--stage", "prod"),
    "batch deployment": ("deploy", "--stage", "dev", "--batch"),
    "batch scoring": ("score", "--stage", "dev", "--batch", "{rows}", "--output", "{rows}.scored"),
    "provenance": ("provenance", "--stage", "prod"),
    "status": ("status",),
    "history": ("history",),
    "preview": ("preview", "--since", "HEAD"),
    "tune": ("tune", "--trials", "3"),
    "rollback": ("rollback", "--stage", "dev"),
    "retire": ("retire", "--stage", "dev"),
    "check": ("check",),
    "init": ("init", "--data", "{table}", "--target", "grade", "--name", "grades", "--dry-run"),
}


def silence_figures(transcripts: Path | None) -> list[Figure]:
    """The longest pauses of all commands; `transcripts` is a folder for what they printed."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
        try:
            return measure(project, list(COMMANDS), transcripts)
        finally:
            run_in_terminal(project, ("down",))


def measure(project: Path, names: list[str], transcripts: Path | None) -> list[Figure]:
    """The longest silence of the demo, and of each command after it."""
    figures = []
    scratch = project / ".mlops/demo/repository"
    files = {"rows": str(some_rows(project)), "table": str(some_table(project))}
    for name in ["demo", *names]:
        words = ("demo",) if name == "demo" else tuple(word.format_map(files) for word in COMMANDS[name])
        seen = run_in_terminal(project if name == "demo" else scratch, words)
        figures.append(
            Figure(f"mlops {' '.join(words[:3])}"[:50], seen.silent_seconds, "s", LIMIT_SECONDS, note=seen.note)
        )
        if transcripts is not None:
            transcripts.mkdir(parents=True, exist_ok=True)
            (transcripts / f"{name.replace(' ', '-')}.txt").write_text(seen.text, encoding="utf-8")
    return figures


@dataclass(frozen=True)
class Seen:
    """What a command printed, its exit code, and its pauses: of anything, and of words."""

    text: str
    code: int
    seconds: float
    silent_seconds: float
    wordless_seconds: float
    after: str

    @property
    def note(self) -> str:
        """The whole, in a few words."""
        waited = f"{self.wordless_seconds:.1f} s without words after {self.after!r}"
        return f"exit {self.code} after {self.seconds:.0f} s; {waited}"


def run_in_terminal(project: Path, words: tuple[str, ...]) -> Seen:
    """Run one command of a project in a terminal of its own, and time what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_WORKSPACE_VARIABLES)}
    # The width is that of the terminal.
    variables = {name: value for name, value in kept.items() if name not in ("COLUMNS", "LINES")} | {"TERM": "xterm"}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "mlops", "--project", str(project), *words]
    begun = time.monotonic()
    process = subprocess.Popen(command, env=variables, stdin=theirs, stdout=theirs, stderr=theirs, cwd=project)
    os.close(theirs)
    try:
        return _read(ours, process, begun)
    finally:
        os.close(ours)
        process.wait()


def _read(terminal: int, process: subprocess.Popen[bytes], begun: float) -> Seen:
    printed = bytearray()
    last, last_words, line = begun, begun, ""
    silent, wordless, after = 0.0, 0.0, ""
    while True:
        try:
            found = os.read(terminal, 65536) if select.select([terminal], [], [], 60)[0] else None
        except OSError:
            # Linux answers so once nobody has the other end.
            found = b""
        now = time.monotonic()
        silent, words = max(silent, now - last), _COUNTER.sub(b"", found or b"")
        if found == b"" or words.strip():
            if now - last_words > wordless:
                wordless, after = now - last_words, line
            lines = words.decode(errors="replace").strip().splitlines()
            last_words, line = now, lines[-1][:60] if lines else line
        if found == b"":
            text = _COUNTER.sub(b"", bytes(printed)).decode(errors="replace").replace("\r\n", "\n")
            return Seen(text, process.wait(), now - begun, silent, wordless, after)
        if found:
            printed += found
            last = now


def some_rows(project: Path) -> Path:
    """Rows of the example for batch scoring."""
    file = project.parent / "rows.csv"
    generator = [sys.executable, str(project / "data/generate_sample.py"), "--rows", "5000", "--out", str(file)]
    subprocess.run(generator, check=True, capture_output=True)
    return file


def some_table(project: Path) -> Path:
    """A table of somebody's own, for `init`."""
    file = project.parent / "grades.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["hours", "school", "grade"])
        writer.writerows([at % 40, "north" if at % 3 else "south", 1 + (at * 7 + at % 40) % 90] for at in range(4000))
    return file

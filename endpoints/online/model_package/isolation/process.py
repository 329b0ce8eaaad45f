"""A confined process and the conversation with it: started without credentials, asked with a time limit, ended.

The module that it runs confines itself (sandbox.py) before it loads anything, and answers each message (messages.py).
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from model_package.isolation.messages import TooLarge, receive, send

# What Python and its libraries need to start, and how many threads they take. Everything else stays here.
_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "SYSTEMROOT",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)
_SETTINGS = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHONSAFEPATH": "1",
    # The last words of a process that dies are in its log.
    "PYTHONUNBUFFERED": "1",
}
_HOMES = ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "MPLCONFIGDIR")
_END_SECONDS = 5
_LOG_FILE = "output.log"
_LOG_CHARACTERS = 300


class ProcessFailed(Exception):
    """The process ended, took too long, or answered something that is no message; the message says which."""


class ConfinedProcess:
    """One run of a module, with a folder of its own, `home`. Not safe to use from several threads at once."""

    def __init__(
        self, module: str, arguments: Callable[[Path], list[str]], settings: Mapping[str, str] | None = None
    ) -> None:
        """Start a module with the arguments that fit its home, and with further environment variables."""
        self._home = tempfile.TemporaryDirectory(prefix="confined-")
        self.home = Path(self._home.name).resolve()
        self._log = self.home / _LOG_FILE
        self._words = b""
        self._late = False
        with self._log.open("wb") as log:
            self._program = subprocess.Popen(
                [sys.executable, "-m", module, *arguments(self.home)],
                cwd=self.home,
                env=_environment(self.home, settings or {}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # What it starts itself ends with it.
                start_new_session=True,
            )
        weakref.finalize(self, _end, self._program, self._home)

    @property
    def ended(self) -> bool:
        """Whether it can answer nothing any more."""
        return self._program.poll() is not None

    def ask(
        self, document: Mapping[str, Any], content: bytes, seconds: float, most: int | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """Return its answer of at most so many bytes. Raises ProcessFailed, and has ended it then."""
        timer = threading.Timer(seconds, self._kill_late)
        timer.daemon = True
        timer.start()
        try:
            send(cast(BinaryIO, self._program.stdin), document, content)
            return receive(cast(BinaryIO, self._program.stdout), most)
        except TooLarge as error:
            self.end()
            raise ProcessFailed(f"answered with {error}, and {most:,} are allowed") from error
        except (OSError, EOFError) as error:
            ended = self._ending()
            raise ProcessFailed(f"it took longer than {seconds:g} s" if self._late else ended) from error
        except ValueError as error:
            self.end()
            raise ProcessFailed("it answered something that is no message") from error
        finally:
            timer.cancel()

    def end(self) -> None:
        """Close its input, which ends it, and remove its folder."""
        if self._log.exists():
            with self._log.open("rb") as log:
                log.seek(max(0, self._log.stat().st_size - _LOG_CHARACTERS))
                self._words = log.read()
        _end(self._program, self._home)

    def _kill_late(self) -> None:
        self._late = True
        _kill(self._program)

    def _ending(self) -> str:
        """End it; return how it ended, with its last words."""
        self.end()
        code = self._program.returncode
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        lines = self._words.decode(errors="replace").strip().splitlines()
        return f"its process ended {how}{f': {lines[-1]}' if lines else ''}"


def _end(program: subprocess.Popen[bytes], home: tempfile.TemporaryDirectory[str]) -> None:
    for pipe in (program.stdin, program.stdout):
        try:
            cast(BinaryIO, pipe).close()
        except OSError:
            # What was left to write to a process that is gone.
            continue
    with contextlib.suppress(subprocess.TimeoutExpired):
        program.wait(_END_SECONDS)
    _kill(program)
    program.wait()
    home.cleanup()


def _kill(program: subprocess.Popen[bytes]) -> None:
    """Kill it with all that it started."""
    if sys.platform == "win32":
        program.kill()
        return
    try:
        os.killpg(program.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # Nothing is left of it.
        return


def _environment(home: Path, settings: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    sources = str(Path(__file__).parents[2])
    return {**kept, **_SETTINGS, **dict.fromkeys(_HOMES, str(home)), "PYTHONPATH": sources, **settings}

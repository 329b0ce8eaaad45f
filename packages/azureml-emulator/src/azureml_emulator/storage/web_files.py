"""Files of the web that jobs read, downloaded once: kept by address, and asked for anew with their ETag.

A version of a file has a folder of its own, so that a job keeps what it began with when the file changes.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import shutil
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass
from uuid import uuid4

import aiohttp
import certifi

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.settings import WebLimits
from azureml_emulator.storage.web_addresses import ForbiddenAddress, check_url, checked_socket, file_name, shown

_FOLDER_MODE: Final = 0o700
# Jobs share the copy, so none may change it.
_FILE_MODE: Final = 0o400
_RECORD: Final = "current.json"
_PART: Final = ".part"
_PIECE_BYTES: Final = 1 << 20
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS: Final = 5
_NOTE_SECONDS: Final = 2.0
_MEGABYTE: Final = 1_000_000
_ADVICE: Final = (
    "Download the file where you can, register it as a data asset (`Data(path=<local file>)`), and name that asset."
)
Note = Callable[[str], None]


@dataclass(frozen=True)
class _Kept:
    """The current version of a file: its path below the folder of its address, and what the server said of it."""

    path: str
    size: int
    etag: str | None = None
    modified: str | None = None


class WebFiles:
    """Downloads files into a folder."""

    def __init__(self, folder: Path, limits: WebLimits) -> None:
        self._folder = folder
        self._limits = limits
        self._busy: dict[str, asyncio.Lock] = {}

    def open(self) -> None:
        """At start, when no job runs: delete older versions, and what was not downloaded to its end."""
        for record in self._folder.glob(f"*/{_RECORD}"):
            kept = self._read(record)
            for entry in record.parent.iterdir():
                if entry != record and (kept is None or entry.name != Path(kept.path).parts[0]):
                    shutil.rmtree(entry, ignore_errors=True)

    def path(self, url: str) -> Path:
        """The file that was downloaded from an address. Raises BadRequest when none was."""
        folder = self._of(url)
        kept = self._read(folder / _RECORD)
        if kept is None:
            raise BadRequest(f"'{shown(url)}' was not downloaded. {_ADVICE}", code="UserError")
        return folder / kept.path

    async def fetch(self, url: str, note: Note) -> None:
        """Download a file unless the copy is current; `note` gets lines for the log of the job.

        Raises BadRequest with what to do, OSError when it cannot be written.
        """
        check_url(url, loopback=self._limits.loopback)
        async with self._busy.setdefault(url, asyncio.Lock()):
            folder = self._of(url)
            kept = self._read(folder / _RECORD)
            try:
                async with asyncio.timeout(self._limits.seconds):
                    await self._download(url, folder, kept, note)
            except TimeoutError:
                # Of the whole, or of one of aiohttp's own limits.
                self._fall_back(url, kept, f"no answer came, or it took longer than {self._limits.seconds:g} s", note)
            except aiohttp.ClientError as error:
                forbidden = _forbidden(error)
                if forbidden is not None:
                    raise BadRequest(f"'{shown(url)}' is not read: {forbidden}. {_ADVICE}", code="UserError") from error
                self._fall_back(url, kept, str(error) or type(error).__name__, note)

    def _fall_back(self, url: str, kept: _Kept | None, why: str, note: Note) -> None:
        """The server cannot be reached: go on with the copy, or raise BadRequest when there is none."""
        if kept is None:
            raise BadRequest(f"'{shown(url)}' cannot be downloaded by this machine: {why}. {_ADVICE}", code="UserError")
        note(f"{shown(url)} cannot be reached ({why}): the copy that was downloaded before is used.")

    async def _download(self, url: str, folder: Path, kept: _Kept | None, note: Note) -> None:
        conditions = {}
        if kept is not None and kept.etag:
            conditions["If-None-Match"] = kept.etag
        elif kept is not None and kept.modified:
            conditions["If-Modified-Since"] = kept.modified
        async with self._answer(url, conditions) as answer:
            if answer.status == 304 and kept is not None:
                note(f"{shown(url)} has not changed: the copy that was downloaded before is used.")
                return
            if answer.status != 200:
                raise _refused_by_server(url, answer)
            self._check_size(url, answer.content_length or 0)
            version = _new_folder(folder)
            with ExitStack() as undo:
                undo.callback(shutil.rmtree, version, ignore_errors=True)
                size = await self._save(url, answer, version, note)
                undo.pop_all()
            name = f"{version.name}/{file_name(url)}"
            made = _Kept(name, size, answer.headers.get("ETag"), answer.headers.get("Last-Modified"))
            record = folder / f"{version.name}{_PART}"
            record.write_text(json.dumps(asdict(made)), encoding="utf-8")
            record.replace(folder / _RECORD)

    async def _save(self, url: str, answer: aiohttp.ClientResponse, version: Path, note: Note) -> int:
        """Write the body into the folder of a new version. Returns its size in bytes."""
        file = version / file_name(url)
        total = f" of {answer.content_length / _MEGABYTE:.1f}" if answer.content_length else ""
        size, noted = 0, time.monotonic()
        note(f"{shown(url)} is downloaded.")
        with file.open("xb") as stream:
            async for piece in answer.content.iter_chunked(_PIECE_BYTES):
                size += len(piece)
                self._check_size(url, size)
                await asyncio.to_thread(stream.write, piece)
                if time.monotonic() - noted > _NOTE_SECONDS:
                    noted = time.monotonic()
                    note(f"{shown(url)}: {size / _MEGABYTE:.1f}{total} MB.")
        file.chmod(_FILE_MODE)
        note(f"{shown(url)} was downloaded: {size:,} bytes.")
        return size

    @asynccontextmanager
    async def _answer(self, url: str, headers: dict[str, str]) -> AsyncGenerator[aiohttp.ClientResponse]:
        """The answer to a GET, behind redirects, each of which is checked."""
        timeout = aiohttp.ClientTimeout(sock_connect=self._limits.stall_seconds, sock_read=self._limits.stall_seconds)
        for _ in range(_MAX_REDIRECTS + 1):
            proxy = _proxy(url)
            # With a proxy it is the proxy that connects, and that decides where.
            check = None if proxy else functools.partial(checked_socket, loopback=self._limits.loopback)
            connector = aiohttp.TCPConnector(ssl=_trust(), force_close=True, socket_factory=check)
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.get(
                    url, headers={**headers, "Accept-Encoding": "identity"}, proxy=proxy, allow_redirects=False
                ) as answer,
            ):
                if answer.status not in _REDIRECTS:
                    yield answer
                    return
                url = urljoin(url, answer.headers.get("Location", ""))
            check_url(url, loopback=self._limits.loopback)
        raise BadRequest(f"'{shown(url)}' is redirected more than {_MAX_REDIRECTS} times. {_ADVICE}", code="UserError")

    def _check_size(self, url: str, size: int) -> None:
        if size > self._limits.file_bytes:
            raise BadRequest(
                f"'{shown(url)}' is larger than {self._limits.file_bytes / _MEGABYTE:,.0f} MB, the most that the "
                f"emulator downloads. {_ADVICE}",
                code="UserError",
            )

    def _of(self, url: str) -> Path:
        return self._folder / hashlib.sha256(url.encode()).hexdigest()[:32]

    @staticmethod
    def _read(record: Path) -> _Kept | None:
        """What is kept of an address, if the file is still whole."""
        try:
            kept = _Kept(**json.loads(record.read_text(encoding="utf-8")))
            return kept if (record.parent / kept.path).stat().st_size == kept.size else None
        except (OSError, ValueError, TypeError):
            return None


def _new_folder(parent: Path) -> Path:
    folder = parent / uuid4().hex
    folder.mkdir(mode=_FOLDER_MODE, parents=True)
    return folder


@functools.cache
def _trust() -> ssl.SSLContext:
    """The roots of this machine and those of certifi, which some Pythons lack."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _proxy(url: str) -> str | None:
    """The proxy that the variables of this machine name for an address."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


def _forbidden(error: BaseException | None) -> ForbiddenAddress | None:
    """The refused connection behind an error of aiohttp, if there is one."""
    while error is not None and not isinstance(error, ForbiddenAddress):
        error = getattr(error, "os_error", None) or error.__cause__
    return error


def _refused_by_server(url: str, answer: Any) -> BadRequest:
    why = {
        401: "it needs a login, and the emulator sends none",
        403: "its server forbids it, or it needs a login, and the emulator sends none",
        404: "there is no such file; a web server does not list folders, so name one file",
    }.get(answer.status, answer.reason or "no file")
    return BadRequest(f"'{shown(url)}' was answered with {answer.status}: {why}. {_ADVICE}", code="UserError")

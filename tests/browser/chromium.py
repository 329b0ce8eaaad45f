"""A real browser for tests and measurements: Debian's Chromium without a window, driven by its own protocol.

It is given one page at a time, and may reach nothing but this machine. Imported by its plain name (`pythonpath` in
pyproject.toml).
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

PROGRAM: Final = Path("/usr/bin/chromium")
PATIENCE_SECONDS: Final = 60.0
_LOOK_EVERY_SECONDS: Final = 0.02
_LARGEST_MESSAGE: Final = 64 * 1024 * 1024
_FLAGS: Final = (
    "--headless=new",
    # Tests run as root in containers, where Chromium's own walls cannot be built.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--remote-debugging-port=0",
    # Whatever else a page asks for is refused here, and seen in its requests.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


@dataclass
class Browser:
    """One tab. `requests` are the addresses it asked for, `messages` what the page complained of."""

    socket: aiohttp.ClientWebSocketResponse
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    _number: int = 0
    _loaded: bool = False

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One call of the protocol."""
        self._number += 1
        number = self._number
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._next()
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]

    async def open(self, address: str) -> None:
        """Go to a page and wait until it has loaded."""
        self._loaded = False
        await self.ask("Page.navigate", url=address)
        while not self._loaded:
            await self._next()

    async def run(self, script: str) -> Any:
        """What an expression comes to in the page."""
        answer = await self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def wait_for(self, script: str) -> None:
        """Look until an expression is true."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            # The page has no way to tell us.
            while not await self.run(script):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def size(self, width: int, height: int) -> None:
        """Be a screen of that size, a phone's when it is narrow."""
        mobile = width < 600
        await self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile
        )

    async def prefer(self, scheme: str) -> None:
        """Prefer dark or light."""
        await self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def press(self, key: str) -> None:
        """Press a key, such as Tab or Enter."""
        text = {"text": "\r"} if key == "Enter" else {}
        code = {"Tab": 9, "Enter": 13}[key]
        for kind in ("keyDown", "keyUp"):
            what = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            await self.ask("Input.dispatchKeyEvent", **what, **(text if kind == "keyDown" else {}))

    async def picture(self, *, whole: bool = False) -> bytes:
        """A picture of the screen, or of the whole page, as PNG."""
        answer = await self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            message = await self.socket.receive_json()
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            case "Log.entryAdded":
                self.messages.append(message["params"]["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.messages.append(json.dumps(message["params"]["exceptionDetails"]))
        return message


@asynccontextmanager
async def open_browser() -> AsyncGenerator[Browser]:
    """A browser that has nothing of any other; it ends with the block."""
    with _running() as port:
        async with aiohttp.ClientSession() as session, _tab(session, port) as browser:
            yield browser


@contextmanager
def _running() -> Generator[int]:
    """A process of Chromium; the port on which it can be told what to do."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [str(PROGRAM), *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield _port(Path(folder, "DevToolsActivePort"), process)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    until = time.monotonic() + PATIENCE_SECONDS
    while not (file.is_file() and file.read_text().count("\n")):
        assert process.poll() is None, "Chromium does not start"
        assert time.monotonic() < until, "Chromium does not come up"
        time.sleep(_LOOK_EVERY_SECONDS)
    return int(file.read_text().splitlines()[0])


@asynccontextmanager
async def _tab(session: aiohttp.ClientSession, port: int) -> AsyncGenerator[Browser]:
    async with session.get(f"http://127.0.0.1:{port}/json/list") as reply:
        tabs = await reply.json()
    address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
    async with session.ws_connect(address, max_msg_size=_LARGEST_MESSAGE) as socket:
        browser = Browser(socket)
        for domain in ("Page", "Network", "Runtime", "Log"):
            await browser.ask(f"{domain}.enable")
        yield browser

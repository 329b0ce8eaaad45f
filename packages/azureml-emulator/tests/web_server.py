"""A web server of this machine for tests: files with ETags, redirects, refusals, and answers that stall."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class WebServer:
    """The files by path, redirects by path, and the requests that came, as (path, status)."""

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    stalling: set[str] = field(default_factory=set)
    asked: list[tuple[str, int]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"{self.address}{path}"


@contextmanager
def web_server() -> Generator[WebServer]:
    """A running server on a free port."""
    handler = type("_SiteHandler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.site = web = WebServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield web
    finally:
        web.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    site: WebServer

    def do_GET(self) -> None:
        site = self.site
        path = self.path.partition("?")[0]
        if path in site.redirects:
            return self._answer(site, 302, Location=site.redirects[path])
        if path in site.refused or path not in site.files:
            return self._answer(site, site.refused.get(path, 404))
        body = site.files[path]
        tag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
        if self.headers.get("If-None-Match") == tag:
            return self._answer(site, 304, ETag=tag)
        self._answer(site, 200, body, ETag=tag)
        return None

    def _answer(self, site: WebServer, status: int, body: bytes = b"", **headers: str) -> None:
        site.asked.append((self.path, status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path in site.stalling:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            site.released.wait()
            return
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""

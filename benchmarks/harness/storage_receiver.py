"""Stands for Azure Storage and for the identity of an endpoint, over TLS: takes any blob, and issues a token."""

from __future__ import annotations

import json
import multiprocessing
import ssl
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path

import trustme

from harness.scored_requests import Receiver


class StorageReceiver(Receiver):
    """Answers what writing a blob with the token of a managed identity takes."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:  # noqa: N802 - the name that http.server calls
        """Take a block, or a list of blocks."""
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(201, b"")

    def do_GET(self) -> None:  # noqa: N802
        """Issue a token, as App Service's endpoint of managed identities."""
        token = {"access_token": "t", "expires_on": str(int(time.time()) + 86400), "token_type": "Bearer"}
        self._answer(200, json.dumps({**token, "resource": "https://storage.azure.com"}).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def receive(ready: Connection, certificate: Path) -> None:
    """Serve on a free port until the process is terminated."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), StorageReceiver)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    ready.send(server.server_port)
    server.serve_forever()


@contextmanager
def storage_receiver(folder: Path) -> Generator[dict[str, str]]:
    """Run it in its own process; yields the variables of a server that collects to it."""
    authority = trustme.CA()
    certificate, bundle = folder / "storage.pem", folder / "authority.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(bundle))
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=receive, args=(theirs, certificate), daemon=True)
    process.start()
    address = f"https://127.0.0.1:{ours.recv()}"
    try:
        yield {
            "COLLECTED_DATA_URL": f"{address}/container/modelDataCollector/endpoint/blue",
            "IDENTITY_ENDPOINT": f"{address}/msi/token",
            "IDENTITY_HEADER": "secret",
            "SSL_CERT_FILE": str(bundle),
            "REQUESTS_CA_BUNDLE": str(bundle),
        }
    finally:
        process.terminate()
        process.join()

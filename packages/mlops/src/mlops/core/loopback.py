"""An HTTP server that only this machine can connect to; the caller supplies the handler."""

from __future__ import annotations

import socket
from http.server import ThreadingHTTPServer
from ipaddress import IPv4Address
from socketserver import TCPServer
from typing import Final

LOOPBACK: Final = str(IPv4Address(socket.INADDR_LOOPBACK))


class LoopbackServer(ThreadingHTTPServer):
    """Listens on the loopback address only."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without a DNS lookup of this machine's name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.socket.getsockname()[1]

    @property
    def authority(self) -> str:
        """Address and port, as in a URL."""
        return f"{LOOPBACK}:{self.server_port}"

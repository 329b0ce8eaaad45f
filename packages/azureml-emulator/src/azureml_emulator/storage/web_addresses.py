"""Which addresses of the web the emulator reads for a job: https, and never this machine or a cloud's metadata.

Names are checked before the request, and what they resolve to when a connection is made, so that neither a redirect nor
a name that changes its meaning leads elsewhere. Private networks are allowed, where companies keep their data.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from azureml_emulator.kernel.errors import BadRequest

# What clouds answer to their machines beside 169.254.0.0/16: Azure's wire server, Alibaba's and AWS's metadata.
_METADATA: Final = frozenset({"168.63.129.16", "100.100.100.200", "fd00:ec2::254"})
_METADATA_NAMES: Final = frozenset({"metadata", "metadata.google.internal", "instance-data"})
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_MAX_NAME: Final = 150
_DEFAULT_NAME: Final = "data"


class ForbiddenAddress(OSError):
    """A connection to an address that the emulator does not read from."""


def check_url(url: str, *, loopback: bool) -> None:
    """Raise BadRequest for an address that is not read; `loopback` allows this machine, and http there."""
    parts = urlsplit(url)
    host = _host(parts)
    local = loopback and _is_loopback(host)
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        raise _refused(url, "only https is read")
    if not host:
        raise _refused(url, "it names no host")
    if parts.username is not None or parts.password is not None:
        raise _refused(url, "it contains credentials, which would be in logs")
    if host in _METADATA_NAMES or (_is_forbidden(host) and not local):
        raise _refused(url, "it leads to this machine or to the metadata of a cloud")


def checked_socket(address: tuple[Any, ...], *, loopback: bool) -> socket.socket:
    """A new socket for a resolved address, as `getaddrinfo` returns it. Raises ForbiddenAddress."""
    family, kind, protocol, _, target = address
    host = str(target[0])
    if _is_forbidden(host) and not (loopback and _is_loopback(host)):
        raise ForbiddenAddress(f"it leads to {host}, which is this machine or the metadata of a cloud")
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made


def shown(url: str) -> str:
    """The address for logs and messages: without its query, which may be a signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" + ("?…" if parts.query else "")


def file_name(url: str) -> str:
    """The name of the file at an address, safe in a folder."""
    last = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    name = "".join(letter for letter in last if letter.isprintable() and letter not in '\\:*?"<>|').strip(". ")
    return name[-_MAX_NAME:] or _DEFAULT_NAME


def _host(parts: SplitResult) -> str:
    try:
        _ = parts.port
        return (parts.hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def _refused(url: str, why: str) -> BadRequest:
    return BadRequest(
        f"'{shown(url)}' is not read: {why}. Download the file and register it as a data asset "
        "(`Data(path=<local file>)`), then name that.",
        code="UserError",
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def _is_forbidden(host: str) -> bool:
    if _is_loopback(host):
        return True
    address = _address(host)
    if address is None:
        return False
    never = address.is_link_local or address.is_multicast or address.is_unspecified
    return never or str(address) in _METADATA


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a text means in any of its spellings, IPv4 inside of IPv6 as well; None for a name."""
    bare = host.partition("%")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        try:
            # Forms such as 2852039166, 0xa9fea9fe and 127.1, which system libraries resolve.
            return ipaddress.IPv4Address(socket.inet_aton(bare))
        except OSError:
            return None
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address

"""Messages between a scorer and the process of its model: a JSON object, and the bytes of an array beside it.

Neither side ever unpickles what the other sends. Needs the standard library alone.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

_LENGTHS = struct.Struct("!QQ")


def send(stream: BinaryIO, document: Mapping[str, Any], array: bytes = b"") -> None:
    """Write a message. Raises OSError when the other side is gone."""
    text = json.dumps(document).encode()
    stream.write(_LENGTHS.pack(len(text), len(array)))
    stream.write(text)
    stream.write(array)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read a message. Raises EOFError when the other side is gone, ValueError for what is no message."""
    of_text, of_array = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    document = json.loads(_exactly(stream, of_text))
    if not isinstance(document, dict):
        raise ValueError("a message must be an object")
    return document, _exactly(stream, of_array)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise EOFError("the other side is gone")
    return found

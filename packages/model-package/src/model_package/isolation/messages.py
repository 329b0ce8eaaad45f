"""Messages between a process and the confined one that it started: a JSON object, and bytes beside it.

Neither side ever unpickles what the other sends. Needs the standard library alone.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

_LENGTHS = struct.Struct("!QQ")


class TooLarge(ValueError):
    """A message that is longer than the receiver accepts."""


def send(stream: BinaryIO, document: Mapping[str, Any], content: bytes = b"") -> None:
    """Write a message. Raises OSError when the other side is gone."""
    text = json.dumps(document).encode()
    stream.write(_LENGTHS.pack(len(text), len(content)))
    stream.write(text)
    stream.write(content)
    stream.flush()


def receive(stream: BinaryIO, most: int | None = None) -> tuple[dict[str, Any], bytes]:
    """Read a message of at most so many bytes.

    Raises EOFError when the other side is gone, TooLarge, and ValueError for what is no message.
    """
    of_text, of_content = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    if most is not None and of_text + of_content > most:
        raise TooLarge(f"a message of {of_text + of_content:,} bytes")
    try:
        document = json.loads(_exactly(stream, of_text))
    except RecursionError as error:
        raise ValueError("a message is nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("a message must be an object")
    return document, _exactly(stream, of_content)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise EOFError("the other side is gone")
    return found

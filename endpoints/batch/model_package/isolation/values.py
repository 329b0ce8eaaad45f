"""Values of a message: JSON as it is, numpy arrays and bytes beside it. What is read is data, whatever was sent.

Mappings have names as keys; tuples become lists, dataclasses become objects. The receiver knows what it asked for and
checks it.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

_ARRAY, _OBJECTS, _BYTES = "$array", "$objects", "$bytes"
_MARKS = (_ARRAY, _OBJECTS, _BYTES)
# Truth values, numbers, and points in time.
_TYPES = re.compile(r"[<>|=](?:b1|[iu][1248]|f[248]|M8\[[a-zA-Z]+\])")
_PARTS = "$parts"
_VALUE = "value"

Message = tuple[dict[str, Any], bytes]


def pack(value: Any) -> Message:
    """Return a value as a message. Raises TypeError for what cannot be sent."""
    parts: list[bytes] = []
    document = {_VALUE: _packed(value, parts), _PARTS: [len(each) for each in parts]}
    return document, b"".join(parts)


def unpack(document: Mapping[str, Any], content: bytes) -> Any:
    """Return the value of a message. Raises ValueError for one that `pack` does not write."""
    try:
        lengths = document[_PARTS]
        if any(type(each) is not int or each < 0 for each in lengths) or sum(lengths) != len(content):
            raise ValueError("the parts do not fit what was sent")
        ends = np.cumsum([0, *lengths]).tolist()
        parts = [content[start:end] for start, end in pairwise(ends)]
        return _unpacked(document[_VALUE], parts)
    except (KeyError, IndexError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"this is no value: {type(error).__name__}") from error


def _packed(value: Any, parts: list[bytes]) -> Any:
    match value:
        case None | bool() | str() | int() | float():
            # A subclass, such as numpy's float64, as what it is.
            return float(value) if isinstance(value, float) else value
        case np.ndarray():
            return _packed_array(value, parts)
        case np.generic():
            return _packed(value.item(), parts)
        case bytes():
            parts.append(value)
            return {_BYTES: len(parts) - 1}
        case Mapping():
            if any(not isinstance(each, str) or each in _MARKS for each in value):
                raise TypeError("the keys of a mapping must be names")
            return {key: _packed(each, parts) for key, each in value.items()}
        case list() | tuple():
            return [_packed(each, parts) for each in value]
        case _ if dataclasses.is_dataclass(value):
            return {each.name: _packed(getattr(value, each.name), parts) for each in dataclasses.fields(value)}
    raise TypeError(f"a {type(value).__name__} cannot be sent")


def _packed_array(value: np.ndarray, parts: list[bytes]) -> dict[str, Any]:
    if value.dtype.kind in "OU":
        return {_OBJECTS: [_packed(each, parts) for each in value.ravel().tolist()], "shape": list(value.shape)}
    if not _TYPES.fullmatch(value.dtype.str):
        raise TypeError(f"an array of {value.dtype} cannot be sent")
    parts.append(np.ascontiguousarray(value).tobytes())
    return {_ARRAY: len(parts) - 1, "type": value.dtype.str, "shape": list(value.shape)}


def _unpacked(value: Any, parts: list[bytes]) -> Any:
    match value:
        case {"$bytes": int(at)}:
            return parts[at]
        case {"$array": int(at), "type": str(name), "shape": list(shape)}:
            if not _TYPES.fullmatch(name):
                raise ValueError(f"{name!r:.20} is the type of no array")
            # Copied: what is read from bytes cannot be written to.
            return np.frombuffer(parts[at], np.dtype(name)).reshape(_checked_shape(shape)).copy()
        case {"$objects": list(found), "shape": list(shape)}:
            array = np.empty(len(found), dtype=object)
            array[:] = [_unpacked(each, parts) for each in found]
            return array.reshape(_checked_shape(shape))
        case dict():
            return {key: _unpacked(each, parts) for key, each in value.items()}
        case list():
            return [_unpacked(each, parts) for each in value]
        case _:
            return value


def _checked_shape(shape: list[Any]) -> list[int]:
    if any(type(each) is not int or each < 0 for each in shape) or math.prod(shape) < 0:
        raise ValueError("this is no shape")
    return shape

"""Spellings of one path: what clients, proxies and file systems may take for it, percent-encoded."""

from __future__ import annotations

from urllib.parse import quote

# What may stand before a path without changing what some reader takes it for.
_PREFIXES = (
    "",
    "/",
    "//",
    "./",
    ".%2f",
    "%2e/",
    "%2f",
    "x/../",
    "x%2f..%2f",
    "x/%2e%2e/",
    "%252e/",
    "%5c",
    ".%5c",
    "%20",
)
_CLIMBS = ("../", "..%2f", "%2e%2e/", "%252e%252e%252f", "..%5c", "....//", "%c0%ae%c0%ae/", "%00/../")


def spellings(path: str) -> list[str]:
    """Other spellings of a path below a folder, the plain one first."""
    first, _, rest = path.partition("/")
    parts = [
        first,
        first.upper(),
        f"{first}.",
        f"{first}%20",
        f"{first}%e2%80%8b",
        f"{first}%0a",
        quote("".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in first)),
        quote(first.replace("s", "\u017f").replace("k", "\u212a")),
        quote(first.replace("e", "\u0435")),
        f"%{ord(first[0]):02x}{first[1:]}",
        f"%25{ord(first[0]):02x}{first[1:]}",
    ]
    names = [f"{part}/{rest}" for part in parts]
    names += [
        f"{first}//{rest}",
        f"{first}/./{rest}",
        f"{first}%2f{rest}",
        f"{first}%5c{rest}",
        f"{path}/",
        f"{path}/.",
    ]
    return [f"{prefix}{path}" for prefix in _PREFIXES] + names[1:]


def climbs(target: str) -> list[str]:
    """Paths that lead from a folder up to a file of the state folder, and to the root of the file system."""
    return [f"{climb * depth}{target}" for climb in _CLIMBS for depth in (1, 4)] + ["//etc/passwd", "%2fetc%2fpasswd"]

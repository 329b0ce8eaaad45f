"""Whom this process trusts when it calls an endpoint by itself, loaded once. No calls here."""

from __future__ import annotations

import ssl
from functools import lru_cache


def trust() -> ssl.SSLContext:
    """The certificates that the environment names now, which take as long to load as many requests.

    Not what libraries load when they are imported: that is before the variables of a workspace are known.
    """
    return _trust_in(ssl.get_default_verify_paths())


@lru_cache(maxsize=1)
def _trust_in(_places: ssl.DefaultVerifyPaths) -> ssl.SSLContext:
    return ssl.create_default_context()

"""Reads the variables by which a deployment says what is kept of its requests; a wrong one keeps it from starting."""

from collections.abc import Mapping

EVERYTHING = "1.0"


class VariableError(Exception):
    """A deployment's variable cannot mean anything: correct it in deployment.yml."""


def share_of(environment: Mapping[str, str], name: str) -> float:
    """The share of requests (0 to 1) that a variable names; everything without it. Raises VariableError."""
    text = environment.get(name) or EVERYTHING
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise VariableError(f"{name} is '{text}'; give the share of requests to keep, from 0 to 1")
    return share

"""Which contexts and functions an expression may name in which key of a workflow, as GitHub documents it."""

from __future__ import annotations

from typing import Final

from workflow_replay.github.expressions.templates import STATUS, Place

_HASH: Final = frozenset({"hashfiles"})


def _place(contexts: str, functions: frozenset[str] = frozenset()) -> Place:
    return Place(frozenset(contexts.split()), functions)


_JOB: Final = "github needs strategy matrix vars inputs"
_STEP: Final = f"{_JOB} job runner env secrets steps"

WORKFLOW: Final = _place("github inputs vars")
WORKFLOW_ENV: Final = _place("github secrets inputs vars")
CALL_OUTPUT: Final = _place("github jobs vars inputs")
CALL_DEFAULT: Final = _place("github inputs vars")
JOB_IF: Final = _place("github needs vars inputs", STATUS)
JOB: Final = _place(_JOB)
STRATEGY: Final = _place("github needs vars inputs")
JOB_ENV: Final = _place(f"{_JOB} secrets")
JOB_DEFAULTS: Final = _place(f"{_JOB} env")
JOB_OUTPUT: Final = _place(_STEP)
CALL_SECRET: Final = _place(f"{_JOB} secrets")
ENVIRONMENT_URL: Final = _place(f"{_JOB} job runner env steps")
STEP: Final = _place(_STEP, _HASH)
STEP_IF: Final = _place(f"{_JOB} job runner env steps", STATUS | _HASH)
# Composite actions see nothing of their caller's secrets and needs, and take inputs of their own.
COMPOSITE: Final = _place("github inputs job runner env steps strategy matrix", _HASH)
COMPOSITE_IF: Final = _place("github inputs job runner env steps strategy matrix", STATUS | _HASH)
COMPOSITE_OUTPUT: Final = COMPOSITE

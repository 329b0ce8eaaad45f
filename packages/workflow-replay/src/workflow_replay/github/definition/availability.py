"""The contexts and functions available to expressions in each key of a workflow.

GitHub documents them under "Context availability".
"""

from __future__ import annotations

from typing import Final

from workflow_replay.github.expressions.templates import STATUS, Availability

_HASH: Final = frozenset({"hashfiles"})


def _availability(contexts: str, functions: frozenset[str] = frozenset()) -> Availability:
    return Availability(frozenset(contexts.split()), functions)


_JOB: Final = "github needs strategy matrix vars inputs"
_STEP: Final = f"{_JOB} job runner env secrets steps"

WORKFLOW: Final = _availability("github inputs vars")
WORKFLOW_ENV: Final = _availability("github secrets inputs vars")
CALL_OUTPUT: Final = _availability("github jobs vars inputs")
CALL_DEFAULT: Final = _availability("github inputs vars")
JOB_IF: Final = _availability("github needs vars inputs", STATUS)
JOB: Final = _availability(_JOB)
STRATEGY: Final = _availability("github needs vars inputs")
JOB_ENV: Final = _availability(f"{_JOB} secrets")
JOB_DEFAULTS: Final = _availability(f"{_JOB} env")
JOB_OUTPUT: Final = _availability(_STEP)
CALL_SECRET: Final = _availability(f"{_JOB} secrets")
ENVIRONMENT_URL: Final = _availability(f"{_JOB} job runner env steps")
STEP: Final = _availability(_STEP, _HASH)
STEP_IF: Final = _availability(f"{_JOB} job runner env steps", STATUS | _HASH)
# Composite actions do not see the secrets and needs of their caller, and have inputs of their own.
COMPOSITE: Final = _availability("github inputs job runner env steps strategy matrix", _HASH)
COMPOSITE_IF: Final = _availability("github inputs job runner env steps strategy matrix", STATUS | _HASH)
COMPOSITE_OUTPUT: Final = COMPOSITE

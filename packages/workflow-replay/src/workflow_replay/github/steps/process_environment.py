"""The process environment of a step: the host's variables, then the workflow's, then the runner's defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping

from workflow_replay.github.contexts import job_variables
from workflow_replay.github.steps.frame import Frame


def process_environment(frame: Frame, env: Mapping[str, str]) -> dict[str, str]:
    """All variables of a step; `env` are its own."""
    job = frame.job
    found = {**job.session.host.environ, **frame.layers(), **env}
    if job.paths:
        found["PATH"] = os.pathsep.join([*job.paths, found.get("PATH", "")])
    github = frame.contexts.get("github")
    found.update(job_variables(github if isinstance(github, Mapping) else {}, job.runner))
    found.update(frame.overrides)
    # A fresh runner has no git identity, and a job's global git configuration ends with the job.
    found["GIT_CONFIG_GLOBAL"] = str(job.git_config)
    return found

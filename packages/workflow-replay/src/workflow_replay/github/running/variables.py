"""The variables of a process of a step: the machine's, below the workflow's, below the runner's own."""

from __future__ import annotations

import os
from collections.abc import Mapping

from workflow_replay.github.running.contexts import job_variables
from workflow_replay.github.running.frame import Frame


def process_variables(frame: Frame, env: Mapping[str, str]) -> dict[str, str]:
    """All variables of a step whose own are `env`."""
    job = frame.job
    found = {**job.session.surroundings.machine, **frame.layers(), **env}
    if job.paths:
        found["PATH"] = os.pathsep.join([*job.paths, found.get("PATH", "")])
    github = frame.contexts.get("github")
    found.update(job_variables(github if isinstance(github, Mapping) else {}, job.runner))
    found.update(frame.overrides)
    # A fresh machine knows no committer; and what a step configures for all repositories ends with the job.
    found["GIT_CONFIG_GLOBAL"] = str(job.git_config)
    return found

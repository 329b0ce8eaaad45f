"""Numbers of sweeps: read as numbers and as text, and refused with the field's name otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from azureml_emulator.jobs.sweeps.settings import read_sweep_settings
from azureml_emulator.kernel.errors import BadRequest

SWEEP: dict[str, Any] = {
    "search_space": {"x": {"type": "choice", "values": [1, 2]}},
    "objective": {"primary_metric": "loss", "goal": "minimize"},
    "limits": {"max_total_trials": "4", "max_concurrent_trials": 2.0},
    "sampling_algorithm": {"type": "random", "seed": "7", "logbase": "2"},
    "early_termination": {"type": "bandit", "slack_factor": "0.2", "evaluation_interval": "2", "delay_evaluation": 5},
}


def test_numbers_may_be_text() -> None:
    settings = read_sweep_settings(SWEEP, {})

    assert (settings.max_trials, settings.max_concurrent) == (4, 2)
    assert (settings.sampling.seed, settings.sampling.log_base) == (7, 2)
    policy = settings.policy
    assert policy is not None
    assert (policy.slack_factor, policy.interval, policy.delay) == (0.2, 2, 5)


@pytest.mark.parametrize("wrong", ["many", "", "nan", True, -1, [2]])
@pytest.mark.parametrize(
    ("part", "field"),
    [
        ("limits", "max_total_trials"),
        ("limits", "max_concurrent_trials"),
        ("sampling_algorithm", "seed"),
        ("sampling_algorithm", "logbase"),
        ("early_termination", "slack_factor"),
        ("early_termination", "slack_amount"),
        ("early_termination", "evaluation_interval"),
        ("early_termination", "delay_evaluation"),
        ("truncation", "truncation_percentage"),
    ],
)
def test_what_is_no_number_is_refused_by_its_name(part: str, field: str, wrong: Any) -> None:
    truncation = {"type": "truncation_selection", field: wrong}
    change = {"early_termination": truncation} if part == "truncation" else {part: {**SWEEP[part], field: wrong}}

    with pytest.raises(BadRequest, match=field):
        read_sweep_settings({**SWEEP, **change}, {})

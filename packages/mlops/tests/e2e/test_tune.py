"""`mlops tune` on the emulator: trials that beat train.yml, their report, and the branch that proposes them."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Clone, Lifecycle, git

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("lifecycle")]
# A poor start, which any trial beats.
POOR = {"learning_rate: 0.0": "learning_rate: 0.001", "maximum_leaves: 0": "maximum_leaves: 2"}
SPACE = """\
format: 1
parameters:
  learning_rate: {type: uniform, min_value: 0.05, max_value: 0.2}
  maximum_leaves: {type: choice, values: [8, 16]}
"""


@pytest.fixture
def poor(lifecycle: Lifecycle, fork: Clone) -> Clone:
    """A project whose model has bad parameters."""
    file = fork.folder / "pipelines" / "train.yml"
    text = file.read_text()
    for old, new in POOR.items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    (fork.folder / "components" / "search_space.yml").write_text(SPACE)
    git(fork.folder, "commit", "-qam", "A poor model")
    return fork


def test_better_parameters_are_shown_and_proposed_on_a_branch_when_asked_for(lifecycle: Lifecycle, poor: Clone) -> None:
    # given a tuning, which changes nothing
    tuned = poor.document("tune", "--data", str(lifecycle.data), "--trials", "3", **lifecycle.variables)

    best: dict[str, Any] = tuned["best"]
    assert len(tuned["trials"]) == 3
    assert len({trial["parameters"]["learning_rate"] for trial in tuned["trials"]}) == 3
    assert tuned["gain"] > 0
    assert "-  learning_rate: 0.001" in tuned["change"]
    assert git(poor.folder, "status", "--porcelain") == ""
    assert "<svg" in (poor.folder / ".mlops" / "reports" / f"tune-{tuned['job']}.html").read_text()

    # when its change is asked for
    again = poor.document("tune", "--job", tuned["job"], "--propose", **lifecycle.variables)

    # then it is on a branch, and the checkout stays as it was
    assert again["branch"] == f"tune/{tuned['job']}"
    proposed = git(poor.folder, "show", f"{again['branch']}:pipelines/train.yml")
    assert f"  maximum_leaves: {best['parameters']['maximum_leaves']}" in proposed
    assert git(poor.folder, "diff", "--name-only", "HEAD", again["branch"]) == "pipelines/train.yml"
    assert git(poor.folder, "status", "--porcelain") == ""

"""Approvals by the names of environments."""

import pytest

from workflow_replay.approvals import ApprovalRequest, Approvals, approvals, approve_all


@pytest.mark.parametrize(
    ("decide", "approved"),
    [
        pytest.param(approve_all, ["dev", "prod"], id="all"),
        pytest.param(approvals(), ["dev", "prod"], id="default"),
        pytest.param(approvals(reject=["prod"]), ["dev"], id="reject"),
        pytest.param(approvals(only=["prod"]), ["prod"], id="only"),
        pytest.param(approvals(only=["dev", "prod"], reject=["dev"]), ["prod"], id="both"),
    ],
)
def test_environments_are_approved_by_name(decide: Approvals, approved: list[str]) -> None:
    answers = {name: decide(ApprovalRequest(name, "job", "run")) for name in ("dev", "prod")}

    assert [name for name, answer in answers.items() if answer.approved] == approved
    assert all(answer.comment == f"{name} was rejected" for name, answer in answers.items() if not answer.approved)

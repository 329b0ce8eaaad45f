"""Variables of a job, and logging commands."""

from __future__ import annotations

import pytest

from workflow_replay.azure.state.variable_store import ReadOnly, VariableStore
from workflow_replay.azure.steps.logging_commands import LoggingCommand, command
from workflow_replay.common.masking import Masks


def store(**values: str) -> VariableStore:
    made = VariableStore(Masks())
    made.put_all(values)
    return made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(a)-$(A)", "1-1"), ("$(missing)", "$(missing)"), ("$(chain)", "<1>"), ("$(a$(a))", "$(a1)"),
        ("$( a )", "$( a )"), ("$(loop)", "$(loop)"), ("$(open", "$(open"), ("$$(a)", "$1"), ("$(x.y z)", "dotted"),
    ],
)  # fmt: skip
def test_macros(text: str, expected: str) -> None:
    variables = store(a="1", chain="<$(a)>", loop="$(pool)", pool="$(loop)")
    variables.put("x.y z", "dotted")

    assert variables.expand(text) == expected


def test_a_macro_uses_the_latest_value() -> None:
    variables = store(a="$(b)")
    variables.put("B", "new")

    assert variables.expand("$(a)") == "new"


def test_the_environment_has_all_but_secrets() -> None:
    masks = Masks()
    variables = VariableStore(masks)
    variables.put("Build.Reason", "Manual")
    variables.put("my var-1", "x")
    variables.put("password", "hunter2", secret=True)
    variables.put("derived", "user:$(password)")

    assert variables.environment() == {"BUILD_REASON": "Manual", "MY_VAR-1": "x"}
    assert variables.expand("$(derived)") == "user:hunter2"
    assert masks.hide("it is hunter2") == "it is ***"


def test_variables_stay_secret_and_read_only() -> None:
    variables = store()
    variables.put("s", "one", secret=True)
    variables.assign("S", "two")
    variables.put("r", "1", read_only=True)

    assert variables.environment() == {"R": "1"}
    with pytest.raises(ReadOnly, match="'R' is not permitted"):
        variables.assign("R", "2")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("plain", None),
        ("##vso[task]x", None),
        (
            "##vso[task.setvariable variable=a;isOutput=true]v",
            ("task.setvariable", {"variable": "a", "isoutput": "true"}, "v"),
        ),
        ("before ##VSO[Task.Complete result=Failed;]done", ("task.complete", {"result": "Failed"}, "done")),
        (
            "##vso[task.logissue type=error;sourcepath=a%3Bb%5D]x%0Ay",
            ("task.logissue", {"type": "error", "sourcepath": "a;b]"}, "x\ny"),
        ),
        ("##vso[build.addbuildtag]%AZP250A", ("build.addbuildtag", {}, "%0A")),
        ("##vso[a.b x=1=2;nothing;]", ("a.b", {"x": "1=2"}, "")),
    ],
)  # fmt: skip
def test_logging_commands_are_parsed(line: str, expected: tuple[str, dict[str, str], str] | None) -> None:
    assert command(line) == (LoggingCommand(*expected) if expected else None)

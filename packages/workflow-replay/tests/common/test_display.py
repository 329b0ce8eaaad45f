"""Progress of a replay as plain lines and as a live tree."""

import io

from rich.console import Console

from workflow_replay.display import LiveTree, PlainLines
from workflow_replay.progress import Listener
from workflow_replay.result import JobRun, StepRun

FAILED = StepRun("Break [it]", "failure", "failure", 1, output=tuple(f"line {n}" for n in range(30)), seconds=1.25)


def run_events(listener: Listener) -> None:
    listener.run_planned("CI", ("one", "two"))
    listener.job_started("one")
    listener.step_started("one", "Check out")
    listener.step_finished("one", StepRun("Check out", "success", "success", 0, uses="actions/checkout"))
    listener.step_started("one", "Break [it]")
    listener.line("one", "Break [it]", "line 29")
    listener.step_finished("one", FAILED)
    listener.step_finished("one", StepRun("Never", "skipped", "skipped", reason="an earlier step did not succeed"))
    listener.job_finished(JobRun("one", "One", "success", "failure"))
    listener.job_waiting("two (a)", "approval for prod")
    listener.job_finished(JobRun("two (a)", "two (a)", "failure", "failure", reason="prod was rejected"))


def test_plain_lines() -> None:
    out = io.StringIO()
    run_events(PlainLines(out))

    assert out.getvalue().splitlines() == [
        "one: started",
        "one: Check out: success (simulated) (0.0 s)",
        "one: Break [it]: failure (1.2 s)",
        *(f"  line {n}" for n in range(10, 30)),
        "one: Never: skipped (an earlier step did not succeed)",
        "one: failure, ignored",
        "two (a): waiting for approval for prod",
        "two (a): failure (prod was rejected)",
    ]


def test_every_line_if_requested() -> None:
    out = io.StringIO()
    run_events(PlainLines(out, every_line=True))

    assert "one: | line 29" in out.getvalue()
    assert "  line 29" not in out.getvalue().splitlines()


def test_a_live_tree_shows_the_current_state() -> None:
    tree = LiveTree()
    run_events(tree)
    out = io.StringIO()
    Console(file=out, width=80).print(tree.render())

    assert [line.rstrip() for line in out.getvalue().splitlines()] == [
        "CI",
        "├── ✓ One",
        "│   ├── ✓ Check out 0.0 s",
        "│   ├── ✗ Break [it] 1.2 s",
        "│   └── ○ Never",
        "└── ✗ two (a) prod was rejected",
    ]
    assert tree.logs(every_line=False)[:2] == ["one: Break [it]: failure (1.2 s)", "  line 10"]

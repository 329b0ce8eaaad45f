import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from mlops.cli.rendering import as_typed, render_error, render_result, table_lines
from mlops.core.errors import JobFailed
from mlops.core.results import Block, HistogramPair, Line, Raw, Result, Table

STEPS = Table("steps", ("step", "state"), (("validate_data", "Completed"), ("prepare", "Failed")))


@dataclass(frozen=True)
class Answer(Result):
    def document(self) -> dict[str, Any]:
        return {"name": "é", "value": 1}

    def blocks(self) -> Sequence[Block]:
        return [STEPS, Line("done", "good"), Raw("export A='[bold]'")]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_text_is_aligned_without_frames_and_colour() -> None:
    out = io.StringIO()

    render_result(Answer(), as_json=False, out=out)

    assert out.getvalue().splitlines() == [
        "steps",
        "  step           state",
        "  validate_data  Completed",
        "  prepare        Failed",
        "done",
        "export A='[bold]'",
    ]


def test_terminal_gets_a_frame_and_raw_text_untouched() -> None:
    out = Terminal()

    render_result(Answer(), as_json=False, out=out)

    assert "╭" in out.getvalue()
    assert "validate_data" in out.getvalue()
    assert "export A='[bold]'\n" in out.getvalue()


@dataclass(frozen=True)
class Drifted(Result):
    def document(self) -> dict[str, Any]:
        return {}

    def blocks(self) -> Sequence[Block]:
        return [HistogramPair("AGE moved", ("training", "window"), (("18", 0.5, 0.25), ("30", 0.5, 0.75)))]


def test_bars_are_plain_lines_and_coloured_only_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, terminal = io.StringIO(), Terminal()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")

    for out in (plain, terminal):
        render_result(Drifted(), as_json=False, out=out)

    title, names, *bars = plain.getvalue().splitlines()
    assert (title, names.split()) == ("AGE moved", ["training", "│", "window"])
    assert [line.split()[0] for line in bars] == ["18", "30"]
    assert "\x1b[" not in plain.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).split() == plain.getvalue().split()
    assert "\x1b[33m" in terminal.getvalue()


def test_addresses_in_a_table_stay_whole_in_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    address = "https://127.0.0.1:40000/endpoints/0f3a4b5c-0000-4000-8000-0123456789ab/dev/score"
    out = Terminal()

    class Located(Answer):
        def blocks(self) -> Sequence[Block]:
            return [Table("where", (), (("address", address),))]

    render_result(Located(), as_json=False, out=out)

    assert address in out.getvalue()


@pytest.mark.parametrize(
    ("sentence", "typed"),
    [
        ("Run `mlops train` again.", "Run `uv run mlops train` again."),
        ('eval "$(mlops env)"', 'eval "$(uv run mlops env)"'),
        ("run: mlops check --fix", "run: uv run mlops check --fix"),
        ("`uv run mlops up` and `mlops`; the mlops team", "`uv run mlops up` and `mlops`; the mlops team"),
    ],
)
def test_commands_in_sentences_are_written_as_people_type_them(sentence: str, typed: str) -> None:
    assert as_typed(sentence) == typed


def test_json_is_one_object_on_one_line() -> None:
    out = io.StringIO()

    render_result(Answer(), as_json=True, out=out)

    assert out.getvalue().count("\n") == 1
    assert json.loads(out.getvalue()) == {"name": "é", "value": 1}


def test_rows_of_different_length_are_shown() -> None:
    table = Table("", (), (("a", "b"), ("long name",)))

    assert table_lines(table) == ["  a          b", "  long name"]


def test_error_shows_message_evidence_and_advice() -> None:
    out, err = io.StringIO(), io.StringIO()
    error = JobFailed("step x failed", "Correct it.", ("line 1", "line 2"))

    render_error(error, as_json=True, out=out, err=err)

    assert err.getvalue() == "Error: step x failed\n  line 1\n  line 2\nCorrect it.\n"
    assert json.loads(out.getvalue())["error"]["details"] == ["line 1", "line 2"]

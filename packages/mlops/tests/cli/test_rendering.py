import ast
import io
import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

import mlops
from mlops.cli.progress import say, sign_of_life
from mlops.cli.rendering import _render_blocks, as_typed, narrow_lines, render_error, render_result, table_lines
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


GATES = Table(
    "",
    ("", "gate", "champion", "challenger", "difference", "interval", "threshold"),
    (("pass", "True positive rate difference by education", "0.1234", "0.2345", "+0.1111", "-0.01 to 0.2", "≤ 0.2"),),
    ("interval", "difference", "champion"),
)
HISTORY = Table(
    "",
    ("", "time", "stage", "what", "why"),
    (("10", "2026-11-30 15:08:34", "prod", "monitor", "NOT MEASURED: nothing was collected of credit-default 1 " * 3),),
)
FACTS = Table("stage prod", (), (("digest", "sha256:" + "5e305be7" * 8), ("why", "one two three " * 9)))


@pytest.mark.parametrize("table", [GATES, HISTORY, FACTS], ids=["gates", "history", "facts"])
def test_no_word_is_broken_in_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, table: Table) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()

    class Narrow(Answer):
        def blocks(self) -> Sequence[Block]:
            return [table, Line("rollouts there soak for 1 s, " * 5 + "then `mlops gate --stage staging` again " * 2)]

    render_result(Narrow(), as_json=False, out=out)

    lines = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
    words = {word for row in table.rows for cell in row for word in cell.split()} - {"-0.01", "to", "+0.1111"}
    if table is GATES:
        # What the report says in full is left out.
        words -= {"0.1234", *GATES.rows[0][5].split()}
    shown = {word for line in lines for word in line.split()}
    assert words <= shown
    assert all(len(line) <= 80 or len(line.split()) <= 2 for line in lines)
    assert any("`uv run mlops gate --stage staging`" in line for line in lines)


def test_a_terminal_counts_the_seconds_in_which_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream, os.fdopen(ours, "rb", buffering=0) as terminal:
        monkeypatch.setattr("sys.stderr", stream)
        sign_of_life.begin(stream)
        try:
            seen = b""
            while b"working" not in seen:
                seen += terminal.read(1024)
            say("ready")
            while not seen.endswith(b"ready\r\n"):
                seen += terminal.read(1024)
        finally:
            sign_of_life.end()
    # The line takes the place of the count.
    assert seen.endswith(b"\x1b[2Kready\r\n")


def test_nothing_is_counted_outside_of_a_terminal() -> None:
    stream = io.StringIO()
    before = set(threading.enumerate())

    sign_of_life.begin(stream)

    assert stream.getvalue() == ""
    assert set(threading.enumerate()) <= before


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


def test_progress_is_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    say("load test passed: 21 requests, 0 failed, p95 11 ms, traffic 100 % of it")

    assert terminal.getvalue().splitlines() == [
        "load test passed: 21 requests, 0 failed,",
        "  p95 11 ms, traffic 100 % of it",
    ]


def test_the_title_of_a_table_is_not_broken_at_its_width() -> None:
    out = Terminal()

    class Titled(Answer):
        def blocks(self) -> Sequence[Block]:
            return [Table("job credit-default-20260301-101500-1a2b (21.0 s)", ("step",), (("train",),))]

    render_result(Titled(), as_json=False, out=out)

    assert "job credit-default-20260301-101500-1a2b (21.0 s)" in re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


SOURCES = Path(mlops.__file__).parent
# Tables whose columns are put together when the command runs, by the module that prints them.
MADE = {
    "endpoint/scoring.py": ("row", "probability_of_default", "decision", "class_with_a_long_name"),
    "infrastructure/preview.py": ("stack", "create", "update", "replace", "delete", "same"),
    "models/explanation.py": ("feature", "value", "attribution", "share", "of the other class", ""),
    "monitoring/result.py": ("feature", "importance", "divergence", "contribution", "of the whole"),
    "promotion/release_changes.py": ("stage", "model", "version", "digest", "rollout"),
    "endpoint/stage_status.py": ("stage", "model", "version", "digest", "state", "traffic", "since"),
    "tuning/run.py": ("trial", "log_loss", "learning_rate", "max_leaf_nodes", "min_samples_leaf", "l2_regularization"),
}
LONG = ("validate_credit_default_rows", "a sentence that says why a rule has failed, in some words", "0.123456", "")
CELLS = (LONG, LONG[::-1], ("1", "0.7601", "2026-11-30 15:08:34", "x"))


@cache
def tables() -> dict[Table, str]:
    """Each kind of table with a place that prints it."""
    return {table: place for place, table in printed_tables()}


def printed_tables() -> Iterator[tuple[str, Table]]:
    """Every table that a command prints, found in the source, with long names and sentences in its cells."""
    for file in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        constants = {
            target.id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        place = file.relative_to(SOURCES).as_posix()
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "Table":
                continue
            if len(node.args) < 3 or place in ("cli/rendering.py", "core/results.py"):
                continue
            columns = node.args[1]
            try:
                names = ast.literal_eval(
                    constants.get(columns.id, columns) if isinstance(columns, ast.Name) else columns
                )
            except ValueError:
                names = MADE[place]
            yield f"{place}:{node.lineno}", filled(names)
    for place, names in MADE.items():
        yield f"{place}, its columns", filled(names)


def filled(names: Sequence[str]) -> Table:
    if not names:
        return Table(
            "a title", (), tuple((name, cell) for name, cell in zip(("digest", "why", "data", ""), LONG, strict=True))
        )
    count = len(names)
    rows = [tuple(islice(cycle(cells[at:] + cells[:at]), count)) for cells in CELLS for at in range(len(cells))]
    # Ten rows of numbers only: what `mlops tune` prints.
    numbers = Table("a title", tuple(names), tuple((str(at), *["0.1234"] * (count - 1)) for at in range(10)))
    return numbers if "trial" in names else Table("a title", tuple(names), tuple(rows))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_table_fits_the_terminal_with_whole_words(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert len(tables()) > 20

    for table, place in tables().items():
        out = Terminal()
        _render_blocks([table], out)

        lines = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
        shown = {word for line in lines for word in line.split()}
        cells = [*table.columns, *(cell for row in table.rows for cell in row)]
        assert [line for line in lines if len(line) > width] == [], place
        assert {word for cell in cells for word in cell.split()} <= shown, place


def test_a_wide_table_of_numbers_is_shown_in_parts_with_whole_headers() -> None:
    lines = narrow_lines(filled(MADE["tuning/run.py"]), 60)

    assert lines[1].split() == ["trial", "log_loss", "learning_rate", "max_leaf_nodes"]
    assert lines[13].split() == ["trial", "min_samples_leaf", "l2_regularization"]
    assert lines[14].split() == ["0", "0.1234", "0.1234"]

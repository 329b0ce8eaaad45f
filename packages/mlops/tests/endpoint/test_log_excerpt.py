from mlops.endpoint.scoring import MOST_LINES, log_excerpt

CAUSE = """\
Traceback (most recent call last):
  File "score.py", line 3, in init
    raise RuntimeError("the model cannot be opened")
RuntimeError: the model cannot be opened"""
LOG = f"""\
starting
{CAUSE}

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "server.py", line 1, in setup
    raise UserScriptException(ex) from ex
UserScriptException: Caught an unhandled exception
Model Directory Contents:
Shutting down"""


def test_root_cause_is_shown_without_its_consequences() -> None:
    assert "\n".join(log_excerpt(LOG)) == CAUSE


def test_time_and_level_before_a_traceback_do_not_hide_it() -> None:
    log = LOG.replace(CAUSE, f"2026-01-01 00:00:00 E [7] server - {CAUSE}")

    assert log_excerpt(log)[-1] == "RuntimeError: the model cannot be opened"


def test_traceback_of_the_server_that_gives_up_is_not_the_reason() -> None:
    log = f"{LOG}\nTraceback (most recent call last):\n  File 'arbiter.py'\nHaltServer: Worker failed to boot."

    assert log_excerpt(log)[-1] == "RuntimeError: the model cannot be opened"


def test_traceback_that_stands_alone_is_the_reason() -> None:
    assert "\n".join(log_excerpt(f"starting\n{CAUSE}\nstopping")) == CAUSE


def test_without_a_traceback_the_last_lines_are_shown() -> None:
    lines = [f"line {number}" for number in range(100)]

    assert log_excerpt("\n".join(lines)) == tuple(lines[-MOST_LINES:])


def test_long_traceback_keeps_its_end() -> None:
    frames = [f'  File "x.py", line {number}' for number in range(200)]
    log = "\n".join(["Traceback (most recent call last):", *frames, "ValueError: no"])

    excerpt = log_excerpt(log)

    assert excerpt[-1] == "ValueError: no"
    assert len(excerpt) <= MOST_LINES + 1


def test_empty_log_has_nothing_to_show() -> None:
    assert log_excerpt("") == ()

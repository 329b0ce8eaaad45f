import sys
import threading

import pytest

from mlops.azure.sdk_output import suppress_output


def test_what_the_sdk_prints_is_thrown_away(capsys: pytest.CaptureFixture[str]) -> None:
    with suppress_output():
        print("dots")
        print("warning", file=sys.stderr)
    print("ours")

    assert capsys.readouterr() == ("ours\n", "")


def test_threads_that_end_in_another_order_put_the_streams_back() -> None:
    # given a thread that goes quiet after us and stays so for longer
    streams = (sys.stdout, sys.stderr)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with suppress_output():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with suppress_output():
        thread.start()
        inside.wait()

    # when it ends last
    leave.set()
    thread.join()

    # then nothing is lost from here on
    assert (sys.stdout, sys.stderr) == streams

"""A parallel step over a table that lists files by their addresses in storage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("jobs")

ADDRESS = "azureml://datastores/workspaceblobstore/paths/listed/files"
SCRIPT = """
import pathlib
def init(): pass
def run(files):
    return [pathlib.Path(file).read_text().strip() for file in files]
"""


def bound(step: str, output: str) -> dict[str, Any]:
    return {"value": f"${{{{parent.jobs.{step}.outputs.{output}}}}}", "job_input_type": "literal"}


def test_addresses_in_a_table_are_read(submitter: Any, scripts: Callable[..., Path]) -> None:
    listing = f"type: mltable\\npaths:\\n- folder: {ADDRESS}\\n"
    write = submitter.component(
        f"echo one > ${{{{outputs.files}}}}/1.txt; echo two > ${{{{outputs.files}}}}/2.txt; "
        f"printf '{listing}' > ${{{{outputs.table}}}}/MLTable",
        outputs={"files": {"type": "uri_folder"}, "table": {"type": "mltable"}},
    )
    read = submitter.component(
        "",
        type="parallel",
        inputs={"table": {"type": "mltable"}},
        outputs={"rows": {"type": "uri_file"}},
        input_data="${{inputs.table}}",
        task={
            "type": "run_function",
            "code": submitter.code(scripts(entry=SCRIPT)),
            "entry_script": "entry.py",
            "append_row_to": "${{outputs.rows}}",
        },
    )
    show = submitter.component("cat ${{inputs.rows}}", inputs={"rows": {"type": "uri_file"}})

    name = submitter.pipeline(
        {
            "write": {
                "type": "command",
                "componentId": write,
                "outputs": {"files": {"uri": ADDRESS, "job_output_type": "uri_folder"}},
            },
            "read": {"type": "parallel", "componentId": read, "inputs": {"table": bound("write", "table")}},
            "show": {"type": "command", "componentId": show, "inputs": {"rows": bound("read", "rows")}},
        }
    )

    assert submitter.wait(name)["status"] == "Completed"
    assert submitter.log(submitter.steps(name)["show"]["runId"]).splitlines()[-2:] == ["one", "two"]

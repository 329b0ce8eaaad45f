"""The entry point of a parallel step: `python -m azureml_emulator.jobs.parallel ARGUMENT…`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from azureml_emulator.jobs.parallel.driver import Driver
from azureml_emulator.jobs.parallel.logs import RunLogs
from azureml_emulator.jobs.parallel.mini_batches import file_batches, key_batches, table_batches
from azureml_emulator.jobs.parallel.plan import PLAN_VARIABLE, read_plan
from azureml_emulator.jobs.parallel.tables import InputError

_LOGS = Path("logs")


def main(arguments: Sequence[str]) -> int:
    """Run the plan that a variable names, in the working folder. Returns the exit code, 1 when the run has failed."""
    file = Path(os.environ[PLAN_VARIABLE])
    plan = read_plan(file)
    logs = RunLogs(_LOGS.resolve())
    scratch = file.parent / "rows"
    source, keys, size = Path(plan.input_path), plan.settings.partition_keys, plan.settings.mini_batch_size
    try:
        if keys:
            batches = key_batches(source, keys, scratch)
        else:
            # As on Azure, an MLflow model without a script is not given what is in nested folders.
            nested = plan.settings.entry_script is not None
            batches = (
                table_batches(source, size) if plan.settings.is_table else file_batches(source, size, nested=nested)
            )
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        reason = Driver(plan, batches, arguments, logs, scratch).run()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if reason is not None:
        print(
            f"The parallel run failed: {reason}. All failures are in logs/user/error.txt of this job.", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

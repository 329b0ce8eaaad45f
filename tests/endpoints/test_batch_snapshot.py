"""The batch component ships its own code and its copy of model_package, which score a file by themselves."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from azure.ai.ml._utils._asset_utils import AML_IGNORE_FILE_NAME, get_upload_files_from_folder
from azure.ai.ml.entities._component.code import ComponentIgnoreFile

CODE = Path(__file__).parents[2] / "endpoints" / "batch"
# What the driver of a parallel job does with the script; prints the outcomes, then the files that were imported.
DRIVER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import score_batch
score_batch.init()
files = [module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)]
print(json.dumps([score_batch.run([sys.argv[2]]), files]))
"""


def shipped() -> set[str]:
    """The files that the SDK uploads for the component, relative to endpoints/batch; without the ignore file itself."""
    files = get_upload_files_from_folder(CODE, ignore_file=ComponentIgnoreFile(CODE))
    return {Path(file).relative_to(CODE).as_posix() for file, _ in files} - {AML_IGNORE_FILE_NAME}


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A folder with the shipped files alone."""
    for name in shipped():
        (tmp_path / "code" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CODE / name, tmp_path / "code" / name)
    return tmp_path / "code"


def test_the_shipped_files_score_a_file_by_themselves(snapshot: Path, package: Path, tmp_path: Path) -> None:
    # given
    data = tmp_path / "data"
    data.mkdir()
    (data / "rows.csv").write_text("id,age,income,kind\na,40,1200.5,2\n")
    folders = ["--data", str(data), "--model", str(package), "--predictions", str(tmp_path / "out")]
    # when
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(snapshot), str(data / "rows.csv"), *folders],
        capture_output=True,
        text=True,
        check=True,
    )
    # then
    (outcome,), files = json.loads(done.stdout.splitlines()[-1])
    assert json.loads(outcome)["status"] == "scored"
    imported = {Path(file) for file in files}
    own = {name for name in shipped() if not name.startswith("model_package/")}
    assert own == {"score_batch.py", "file_scoring.py"}
    assert {snapshot / name for name in own} <= imported
    # the copy, not the package that is installed here
    assert snapshot / "model_package" / "runtime.py" in imported

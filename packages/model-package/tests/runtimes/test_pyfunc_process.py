"""An MLflow pyfunc model answers like any other, in a process that has nothing of its caller's."""

import json
import os
import pickle
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pyfunc_package import LOAD, LOGISTIC, write_model, write_pyfunc_package
from tiny_package import SCHEMA, documents, expected, rows, write_graph

from model_package.digest import folder_digest
from model_package.errors import ModelError, PackageError
from model_package.evaluation import PYFUNC
from model_package.package import PYFUNC_FOLDER, find_package
from model_package.rows.encoding import Tensors
from model_package.runtime import Scorer
from model_package.runtimes import pyfunc_process
from model_package.runtimes.pyfunc_process import PyfuncProcess

# Raises, as one line of JSON, what its code finds when it tries each of some expressions.
SPY = """
import json, os, pathlib, socket

TRIED = json.loads({!r})

def found(expression):
    try:
        return repr(eval(expression))
    except OSError as error:
        return type(error).__name__

class Model:
    def predict(self, table):
        raise ValueError(json.dumps({{name: found(each) for name, each in TRIED.items()}}))

def _load_pyfunc(path):
    return Model()
"""


# Answers as the tiny graph does, where nobody is older than a model may take.
MOODY = (
    LOGISTIC
    + """
import os, time

class Moody(Model):
    def predict(self, table):
        print("a model may print")
        oldest = table["age"].max()
        if oldest == 100:
            os._exit(1)
        if oldest == 99:
            raise KeyError("too old")
        if oldest == 96:
            time.sleep(60)
        if oldest == 98:
            return table["age"]
        found = super().predict(table)
        return np.stack([1 - found, found], axis=1) if oldest == 97 else table.assign(p=found)[["p"]]

def _load_pyfunc(path):
    return Moody()
"""
)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer.open(write_pyfunc_package(tmp_path_factory.mktemp("moody") / "package", MOODY))


def young(count: int) -> np.ndarray:
    """Rows of which the model says what the tiny graph does."""
    found = rows(count)
    return np.minimum(found, np.array([90, np.inf, np.inf], np.float32))


def of_age(age: int) -> np.ndarray:
    return np.array([[age, 1, 1]], np.float32)


def test_it_answers_many_rows_as_one_by_one_and_from_several_threads(scorer: Scorer):
    asked = young(20_000)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda at: scorer.score(asked[at : at + 1])[0], range(8)))

    assert scorer.runtime == PYFUNC
    before = scorer.processor_seconds()
    assert scorer.score(asked) == pytest.approx(expected(asked), abs=1e-6)
    assert scorer.processor_seconds() > before
    assert found == pytest.approx(expected(asked[:8]), abs=1e-6)
    assert scorer.score(asked[:0]).shape == (0,)


def test_the_probabilities_of_both_classes_are_an_answer(scorer: Scorer):
    assert scorer.score(of_age(97)) == pytest.approx(expected(of_age(97)), abs=1e-6)


def test_its_answer_is_checked_as_any_other(scorer: Scorer):
    with pytest.raises(ModelError, match="must lie from 0 to 1"):
        scorer.score(of_age(98))


def test_a_model_that_fails_says_why_and_answers_the_next_rows(scorer: Scorer, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as hurried:
        hurried.setattr(pyfunc_process, "_SCORE_SECONDS", 0.5)
        with pytest.raises(ModelError, match="took longer than"):
            scorer.score(of_age(96))
    for age, says in ((99, "KeyError: 'too old'"), (100, "its process ended with exit code 1: a model may print")):
        with pytest.raises(ModelError, match=f"cannot score the rows: {says}"):
            scorer.score(of_age(age))
    assert scorer.score(young(2)) == pytest.approx(expected(young(2)), abs=1e-6)


def found_by_code(folder: Path, **expressions: str) -> dict[str, str]:
    """What each expression is to the code of a model."""
    model = write_model(folder, SPY.format(json.dumps(expressions)))
    with pytest.raises(ModelError) as error:
        PyfuncProcess(SCHEMA, model, folder_digest(model)).run(Tensors(rows(1)))
    return json.loads(str(error.value).partition("ValueError: ")[2])


def test_its_process_has_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("AZURE_CLIENT_SECRET", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "IDENTITY_HEADER", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.setenv(name, "a-secret")
    home = tmp_path / "home"
    (home / ".azure").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    secret = home / ".azure" / "msal_token_cache.json"
    secret.write_text("a-secret")

    with socket.create_server(("127.0.0.1", 0)) as server:
        found = found_by_code(
            tmp_path / "model",
            environment="sorted(os.environ.items())",
            home="(str(pathlib.Path.home()), os.listdir(pathlib.Path.home()))",
            callers_environment=f"open('/proc/{os.getpid()}/environ', 'rb').read()",
            file=f"open({str(secret)!r}).read()",
            listing=f"os.listdir({str(tmp_path)!r})",
            own_files="open(__file__, 'a')",
            network=f"socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))",
        )

    assert "a-secret" not in found["environment"]
    assert str(home) not in found["home"]
    assert "['output.log']" in found["home"]
    # Landlock is Linux's.
    if sys.platform == "linux":
        reached = {name: found[name] for name in ("callers_environment", "file", "listing", "own_files", "network")}
        assert set(reached.values()) == {"PermissionError"}, reached


class Planted:
    """Leaves a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_changed_files_are_refused_before_any_of_them_is_loaded(tmp_path: Path):
    model = tmp_path / "trace" / "model"
    loads = "import pickle, pathlib\ndef _load_pyfunc(path):\n    return pickle.load(open(path + '/model.pkl', 'rb'))\n"
    write_model(model, loads)
    digest = folder_digest(model)
    (model / "data" / "model.pkl").write_bytes(pickle.dumps(Planted(model / "loaded")))

    with pytest.raises(PackageError, match="nothing was loaded; train and register the model again"):
        PyfuncProcess(SCHEMA, model, digest)

    assert not (model / "loaded").exists()
    # The trap itself works where nothing guards it.
    pickle.loads((model / "data" / "model.pkl").read_bytes())  # noqa: S301 - our own
    assert (model / "loaded").exists()


@pytest.mark.parametrize("change", ["changed", "added", "no provenance"])
def test_a_package_whose_model_is_not_the_trained_one_is_refused(tmp_path: Path, change: str):
    package = write_pyfunc_package(tmp_path / "package")
    if change == "no provenance":
        documents().write(package)
    else:
        name = "tiny_pyfunc.py" if change == "changed" else "more.py"
        (package / PYFUNC_FOLDER / "code" / name).write_text(LOGISTIC + LOAD + "# another")

    with pytest.raises(PackageError, match="the training job recorded"):
        Scorer.open(package)


def test_two_models_in_a_package_are_refused(tmp_path: Path):
    package = write_pyfunc_package(tmp_path / "package")
    assert find_package(tmp_path) == package
    write_graph(package / "model.onnx")

    with pytest.raises(PackageError, match=r"both model\.onnx and pyfunc/"):
        Scorer.open(package)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import a_library_that_is_not_here", "a_library_that_is_not_here.*environments/"),
        (
            "import os\ndef _load_pyfunc(path):\n    print('out of memory')\n    os._exit(9)",
            "ended with exit code 9: out of memory",
        ),
    ],
    ids=["library", "process"],
)
def test_a_model_that_cannot_be_loaded_says_why(tmp_path: Path, source: str, says: str):
    with pytest.raises(PackageError, match=says):
        Scorer.open(write_pyfunc_package(tmp_path / "package", source))

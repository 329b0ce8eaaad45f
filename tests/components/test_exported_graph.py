"""A train step of any framework may export ONNX itself: the graph goes through evaluation and packaging unchanged."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from chain import SCHEMA, Chain, run_package, run_step

from model_package.errors import ModelError, PackageError
from model_package.package import ModelPackage
from model_package.rows.split import VALIDATION, read_part
from model_package.runtime import Scorer
from model_package.steps.onnx_model import EXPECTED_FILE, save_graph
from model_package.steps.trained_model import load_model
from model_package.tasks import task_of

pytestmark = pytest.mark.xdist_group("example_chain")


@pytest.fixture
def exported(chain: Chain, tmp_path: Path) -> Chain:
    """Write what a train step that exports its graph would: no skops file, but graph and recorded answers."""
    (tmp_path / "split").symlink_to(chain.split)
    graph = (chain.package / "model.onnx").read_bytes()
    rows = read_part(chain.split, VALIDATION, SCHEMA).rows
    save_graph(graph, Scorer(SCHEMA, graph).score(rows), tmp_path / "model", SCHEMA)
    for document in chain.model.glob("*.json"):
        shutil.copyfile(document, tmp_path / "model" / document.name)
    return Chain(tmp_path)


def test_it_is_evaluated_and_packaged_as_it_is(exported: Chain, chain: Chain):
    done = run_step(
        "evaluate_model",
        split_data=exported.split,
        trained_model=exported.model,
        evaluation=exported.evaluation,
        bootstrap_resamples=50,
    )
    assert done.returncode == 0, done.stderr
    done = run_package(exported, exported.package)
    assert done.returncode == 0, done.stderr

    assert (exported.package / "model.onnx").read_bytes() == (chain.package / "model.onnx").read_bytes()
    parity = ModelPackage.read(exported.package).evaluation.parity
    assert parity is not None
    assert parity.rows == len(read_part(exported.split, VALIDATION, SCHEMA).target)
    metric = task_of(SCHEMA).main_metric
    measured, before = (
        json.loads((each.evaluation / "evaluation.json").read_text(encoding="utf-8"))["metrics"][metric]["value"]
        for each in (exported, chain)
    )
    assert measured == pytest.approx(before, abs=1e-6)


def test_a_graph_that_differs_from_its_framework_is_refused(exported: Chain, chain: Chain):
    expected = np.load(exported.model / EXPECTED_FILE)
    np.save(exported.model / EXPECTED_FILE, expected[::-1])
    shutil.copytree(chain.evaluation, exported.evaluation)

    done = run_package(exported, exported.package)

    assert done.returncode == 1
    assert "ONNX and the trained model differ by up to" in done.stderr
    assert not exported.package.exists()


@pytest.mark.parametrize("left", ["none", "fewer"])
def test_a_graph_without_its_frameworks_answers_is_refused(exported: Chain, chain: Chain, left: str):
    file = exported.model / EXPECTED_FILE
    expected = np.load(file)
    file.unlink()
    if left == "fewer":
        np.save(file, expected[1:])
    shutil.copytree(chain.evaluation, exported.evaluation)

    done = run_package(exported, exported.package)

    assert done.returncode == 1
    assert "run the train step again" in done.stderr


def test_two_models_in_one_folder_are_refused(exported: Chain):
    (exported.model / "model.skops").touch()

    with pytest.raises(ModelError, match=r"both model\.skops and model\.onnx"):
        load_model(exported.model, SCHEMA)


def test_a_graph_that_does_not_fit_the_schema_is_not_written(tmp_path: Path):
    with pytest.raises(PackageError, match="cannot be opened"):
        save_graph(b"not a graph", np.zeros(3), tmp_path / "model", SCHEMA)

    assert not (tmp_path / "model").exists()

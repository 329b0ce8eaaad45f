"""The training step repeats itself, records what the next steps need, and is told what it cannot do.

Skipped where the environment of the step is not installed: uv run mlops install train
"""

import json
from pathlib import Path

import numpy as np
import pytest
from chain import SCHEMA, Chain, run_step
from sklearn.metrics import f1_score

from model_package.rows.encoding import Tensors
from model_package.rows.split import VALIDATION, read_part
from model_package.runtime import Scorer
from model_package.steps.onnx_model import expected_answers, load_graph

pytestmark = pytest.mark.xdist_group("example_chain")


@pytest.fixture(scope="module")
def graph(chain: Chain) -> Scorer:
    return load_graph(chain.model, SCHEMA)


def test_training_again_gives_the_same_bytes(chain: Chain, tmp_path: Path):
    done = run_step("train_model", split_data=chain.split, trained_model=tmp_path, epochs=6)

    assert done.returncode == 0, done.stderr
    for name in ("training.json", "model.onnx"):
        assert (tmp_path / name).read_bytes() == (chain.model / name).read_bytes(), name


def test_the_graph_answers_as_the_network(chain: Chain, graph: Scorer):
    rows = read_part(chain.split, VALIDATION, SCHEMA).rows

    assert np.abs(expected_answers(chain.model, len(rows)) - graph.score(rows)).max() < 1e-6


def test_one_row_or_many_and_missing_values_are_answered_alike(chain: Chain, graph: Scorer):
    rows = read_part(chain.split, VALIDATION, SCHEMA).rows
    missing = Tensors(np.full_like(rows.features[:2], np.nan))

    assert graph.score(rows[:1])[0] == pytest.approx(graph.score(rows)[0], abs=1e-6)
    assert np.isfinite(graph.score(missing)).all()


def test_no_other_threshold_has_a_higher_f1(chain: Chain):
    decided = json.loads((chain.model / "training.json").read_text()).get("decision")
    if not decided:
        pytest.skip("this task decides nothing")
    target = read_part(chain.split, VALIDATION, SCHEMA).target
    answers = expected_answers(chain.model, len(target))

    chosen = f1_score(target, answers >= decided["threshold"])

    assert chosen == pytest.approx(max(f1_score(target, answers >= each) for each in answers))

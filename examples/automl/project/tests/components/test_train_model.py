"""The training step repeats itself, and its graph answers as the model that the search found, missing values included.

Skipped where the environment of the step is not installed: uv run mlops install train
"""

import json
from pathlib import Path

import numpy as np
import pytest
from chain import SCHEMA, Chain, run_step
from sklearn.metrics import f1_score

from model_package.rows.split import TRAIN, VALIDATION, read_part
from model_package.runtime import Scorer
from model_package.steps.onnx_model import expected_answers, load_graph

pytestmark = pytest.mark.xdist_group("example_chain")


@pytest.fixture(scope="module")
def graph(chain: Chain) -> Scorer:
    return load_graph(chain.model, SCHEMA)


def test_searching_again_gives_the_same_bytes(chain: Chain, tmp_path: Path):
    done = run_step("train_model", split_data=chain.split, trained_model=tmp_path, trials=4)

    assert done.returncode == 0, done.stderr
    for name in ("training.json", "model.onnx"):
        assert (tmp_path / name).read_bytes() == (chain.model / name).read_bytes(), name


def test_only_learners_are_tried_whose_graph_is_sure_of_missing_values(chain: Chain):
    missing = any(np.isnan(read_part(chain.split, part, SCHEMA).rows.features).any() for part in (TRAIN, VALIDATION))
    tried = json.loads((chain.model / "training.json").read_text())["learners"]

    assert {"xgboost", "xgb_limitdepth"} <= set(tried)
    if missing or any(feature.nullable for feature in SCHEMA.features):
        assert not {"lgbm", "rf", "extra_tree"} & set(tried)


def test_the_graph_answers_as_the_model(chain: Chain, graph: Scorer):
    rows = read_part(chain.split, VALIDATION, SCHEMA).rows

    assert np.abs(expected_answers(chain.model, len(rows)) - graph.score(rows)).max() < 1e-5


def test_no_other_threshold_has_a_higher_f1(chain: Chain):
    decided = json.loads((chain.model / "training.json").read_text()).get("decision")
    if not decided:
        pytest.skip("this task decides nothing")
    target = read_part(chain.split, VALIDATION, SCHEMA).target
    answers = expected_answers(chain.model, len(target))

    chosen = f1_score(target, answers >= decided["threshold"])

    assert chosen == pytest.approx(max(f1_score(target, answers >= each) for each in answers))

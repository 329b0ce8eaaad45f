"""The threshold is the best one, training repeats itself, and the model file admits no foreign types."""

import numpy as np
import pytest
from boosting_search import Setting
from chain import Chain, run_step
from sklearn.metrics import f1_score
from skops.io import dump
from skops.io.exceptions import UntrustedTypesFoundException
from train_model import Tuning, fit, held_out_metrics

from model_package.package import read_schema
from model_package.rows.split import TRAIN, VALIDATION, read_part
from model_package.schema import BINARY_CLASSIFICATION, Decision
from model_package.steps.held_out import choose_threshold, held_out_name
from model_package.steps.sklearn_model import fitting_threads, load_model
from model_package.tasks import base_task, task_of

pytestmark = pytest.mark.xdist_group("example_chain")


ONE_SHAPE = Tuning(iterations=90, maximum_leaves=8, minimum_leaf_rows=20, feature_share=0.5)


class Stranger:
    """A type that no model of ours holds."""


def test_no_other_threshold_has_a_higher_f1():
    random = np.random.default_rng(2)
    target = (random.random(300) < 0.3).astype(np.int8)
    probability = np.clip(random.normal(0.3 + 0.2 * target, 0.2), 0, 1)
    chosen = f1_score(target, probability >= choose_threshold(target, probability))
    assert chosen == max(f1_score(target, probability >= value) for value in probability)


def test_the_threshold_lies_between_probabilities_so_that_rounding_flips_none():
    target, probability = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.9])
    assert choose_threshold(target, probability) == pytest.approx(0.4)


def test_where_only_one_outcome_was_held_out_the_threshold_is_even():
    assert choose_threshold(np.zeros(3, dtype=np.int8), np.array([0.1, 0.2, 0.3])) == 0.5


def test_training_again_gives_the_same_model(chain: Chain, tmp_path):
    done = run_step("train_model", split_data=chain.split, trained_model=tmp_path, iterations=60)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "training.json").read_text() == (chain.model / "training.json").read_text()


def test_what_is_reported_while_the_trees_grow_is_close_to_what_the_final_model_scores(chain: Chain):
    schema = read_schema(chain.split)
    train, validation = (read_part(chain.split, part, schema) for part in (TRAIN, VALIDATION))
    reported: list[dict[str, float]] = []

    with fitting_threads(1):
        silent = fit(train, validation, schema, ONE_SHAPE)
        grown = fit(train, validation, schema, ONE_SHAPE, reported.append)

    name = held_out_name(task_of(schema).main_metric)
    assert [list(each) for each in reported] == [[name]] * 3
    decided = schema.with_decision(Decision(0.5, "")) if base_task(schema) == BINARY_CLASSIFICATION else schema
    # Calibration comes last: it moves the answers a little, and hardly their order.
    assert reported[-1][name] == pytest.approx(held_out_metrics(grown, decided)[name], abs=0.02)
    np.testing.assert_array_equal(grown.scores, silent.scores)


def test_trees_that_grow_in_rounds_are_those_of_one_fit(chain: Chain):
    schema = read_schema(chain.split)
    part = read_part(chain.split, TRAIN, schema)
    features, target = part.rows.features, part.target
    setting = Setting(0.1, 8, 20, 1.0, 0.5, 7)

    with fitting_threads(1):
        grown = setting.unfitted(1, classifies=False)
        for size in (40, 80, 90):
            grown.set_params(max_iter=size).fit(features, target)
        once = setting.unfitted(90, classifies=False).fit(features, target)

    np.testing.assert_array_equal(grown.predict(features), once.predict(features))


def test_a_model_file_with_a_foreign_type_is_refused(tmp_path):
    dump(Stranger(), tmp_path / "model.skops")
    with pytest.raises(UntrustedTypesFoundException, match="Stranger"):
        load_model(tmp_path)

"""The threshold is the best one, training repeats itself, and the model file admits no foreign types."""

import numpy as np
import pytest
from chain import Chain, run_step
from sklearn.metrics import f1_score
from skops.io import dump
from skops.io.exceptions import UntrustedTypesFoundException
from train_model import choose_threshold

from model_package.steps.sklearn_model import load_model

pytestmark = pytest.mark.xdist_group("example_chain")


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


def test_a_model_file_with_a_foreign_type_is_refused(tmp_path):
    dump(Stranger(), tmp_path / "model.skops")
    with pytest.raises(UntrustedTypesFoundException, match="Stranger"):
        load_model(tmp_path)

"""The rules for values say the same whether they are asked for a cell, a column or a matrix."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_package import SCHEMA

from model_package.rows.rules import FeatureRules, RowRules

RULES = RowRules(SCHEMA)
cells = st.floats(width=32) | st.sampled_from([17.0, 18.0, 100.0, 100.5, 101.0, 1.0, 2.0, 3.0, 4.0, 1e39, -0.5])


@settings(max_examples=300, deadline=None)
@given(values=st.lists(cells, min_size=3, max_size=3))
def test_a_cell_is_wrong_exactly_when_it_breaks_a_rule_or_is_missing(values: list[float]):
    row = np.array([values])

    wrong = RULES.wrong_values(row)[0]

    for column, rules in enumerate(RULES.features):
        broken = [rule for rule, mask in rules.broken_rules(row[:, column]) if mask[0]]
        assert bool(wrong[column]) == (bool(broken) or bool(np.isnan(values[column])))


def test_broken_rules_are_named_as_the_schema_states_them():
    age, income, kind = (FeatureRules.of(feature) for feature in SCHEMA.features)

    def names(rules: FeatureRules, value: float) -> list[str]:
        return [rule for rule, mask in rules.broken_rules(np.array([value])) if mask[0]]

    assert names(age, 17.5) == ["must be a whole number", "must be at least 18"]
    assert names(income, -1.0) == ["must be at least 0"]
    assert names(kind, 3.0) == ["must be one of 1, 2, 4"]
    assert names(income, np.nan) == []


def test_some_allowed_value_of_every_feature_is_allowed():
    assert not RULES.wrong_values(np.array([RULES.allowed])).any()

"""The parts of a split as steps read them: whole, or the share of one of several processes."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from model_package.rows.split import TRAIN, part_file, read_part
from model_package.schema import Feature, Schema

SCHEMA = Schema("", "y", (Feature("x", "number"),))


@pytest.mark.parametrize("shares", [1, 2, 3, 7, 12])
def test_shares_have_every_row_once_and_as_many_as_each_other(tmp_path: Path, shares: int) -> None:
    pl.DataFrame({"x": range(10), "y": [0, 1] * 5}).write_parquet(part_file(tmp_path, TRAIN), row_group_size=4)

    found = [read_part(tmp_path, TRAIN, SCHEMA, (number, shares)) for number in range(shares)]

    assert np.concatenate([each.features[:, 0] for each in found]).tolist() == list(range(10))
    assert np.concatenate([each.target for each in found]).tolist() == [0, 1] * 5
    sizes = [len(each.target) for each in found]
    assert max(sizes) - min(sizes) <= 1

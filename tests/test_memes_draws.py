"""Draws: the released one to the row, and stratified ones that cut no group."""

import numpy as np
import pandas as pd
import pytest

from lib.memes.draws import draw, label_sets, with_validation


@pytest.fixture
def targets() -> np.ndarray:
    return (np.random.default_rng(0).random((1000, 4)) < [0.13, 0.28, 0.22, 0.1]).astype(int)


def table(rows: int) -> pd.DataFrame:
    splits = ["train"] * (rows - 100) + ["test"] * 100
    groups = [f"g{i // 2}" for i in range(rows)]
    return pd.DataFrame({"split": splits, "group": groups}, index=range(5, rows + 5))


def test_the_plain_draw_is_pandas_sample(targets):
    frame = pd.DataFrame({"row": range(1000)})
    expected = sorted(frame.sample(frac=0.3, random_state=42)["row"])
    assert draw(targets, 0.3).labelled.tolist() == expected
    assert [len(draw(np.zeros((8000, 4)), r).labelled) for r in (0.3, 0.1, 0.05)] == [
        2400, 800, 400,
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["plain", "stratified"])
def test_a_draw_parts_the_rows(targets, how):
    labelled, unlabelled = draw(targets, 0.1, 3, how)
    assert sorted([*labelled, *unlabelled]) == list(range(1000))
    assert abs(len(labelled) - 100) <= 1
    assert draw(targets, 0.1, 3, how).labelled.tolist() == labelled.tolist()
    assert draw(targets, 0.1, 4, how).labelled.tolist() != labelled.tolist()


def test_the_stratified_draw_keeps_the_rates(targets):
    rates = targets[draw(targets, 0.1, 3, "stratified").labelled].mean(0)
    np.testing.assert_allclose(rates, targets.mean(0), atol=0.025)


def test_validation_is_a_fifth_of_training_and_cuts_no_group(targets):
    pairs = table(1000)
    split = with_validation(pairs, targets)
    assert split.index.equals(pairs.index)
    assert (split[pairs["split"] == "test"] == "test").all()
    assert abs((split == "validation").sum() - 180) <= 2
    assert (split.groupby(pairs["group"]).nunique() == 1).all()
    given = pairs.assign(split=["train"] * 800 + ["validation"] * 100 + ["test"] * 100)
    assert with_validation(given, targets).equals(given["split"])


def test_label_sets_and_bad_input(targets):
    assert label_sets(np.array([[0, 1], [1, 1]])).tolist() == ["01", "11"]
    with pytest.raises(ValueError, match=r"^ratio: 1.0 of 1000 rows"):
        draw(targets, 1.0)
    with pytest.raises(ValueError, match=r"^how: "):
        draw(targets, 0.3, 1, "random")

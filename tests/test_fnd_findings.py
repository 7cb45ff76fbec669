"""Metrics against scikit-learn, differences by hand, and what the predictions are sorted into."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from lib.fnd import OUTLET, STORY, SWAP
from lib.fnd import findings as module
from lib.fnd.findings import board, claims, metrics, modality, planted, slices, systems
from lib.fnd.panels import examples, explorer, thresholds
from lib.report.fnd import smoke
from lib.schema import write_pairs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("fnd")
    smoke.write_study(made, 320, 1, smoke.FEW)
    return made


@pytest.fixture(scope="module")
def found(folder):
    return module.read(folder / "predictions", folder / "pairs.parquet", folder, bootstrap=50)


def drawn(n=400, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    return y, np.round(np.clip(0.4 * y + rng.normal(0.3, 0.25, n), 0, 1), 2)


def ours(y, score, threshold, weights):
    sums = weights @ metrics.cells(y, score >= threshold)
    found = metrics.counted(sums)
    return found | {"auc": metrics.auc(y, score, weights), "ap": metrics.ap(y, score, weights)}


def theirs(y, score, threshold):
    said = score >= threshold
    return {
        "accuracy": sk.accuracy_score(y, said), "precision": sk.precision_score(y, said),
        "recall": sk.recall_score(y, said), "f1": sk.f1_score(y, said),
        "macro_f1": sk.f1_score(y, said, average="macro"), "auc": sk.roc_auc_score(y, score),
        "ap": sk.average_precision_score(y, score),
    }  # fmt: skip


def test_metrics_are_those_of_scikit_learn_with_ties():
    y, score = drawn()
    made = ours(y, score, 0.55, metrics.ones(len(y)))
    for name, value in theirs(y, score, 0.55).items():
        assert made[name][0] == pytest.approx(value), name


@pytest.mark.parametrize("digits", [1, 2, 9])  # many ties, some, none
@pytest.mark.parametrize("positives", [0, 0.4, 1])
def test_weights_by_score_are_those_of_the_plain_sum(digits, positives):
    rng = np.random.default_rng(1)
    y, score = (rng.random(200) < positives).astype(int), rng.random(200).round(digits)
    weights = metrics.row_weights(np.arange(200) // 2, 5)
    made = metrics._by_score(y, score, weights)
    for part, side in zip(made, (1, 0), strict=True):
        plain = [weights[:, (score == value) & (y == side)].sum(1) for value in np.unique(score)]
        assert np.array_equal(part, np.column_stack(plain))


def test_weighted_rows_are_repeated_rows():
    y, score = drawn(120)
    weights = metrics.row_weights(np.arange(120) // 3, 4, seed=2)
    made = ours(y, score, 0.5, weights)
    for i, row in enumerate(weights):
        rows = np.repeat(np.arange(120), row.astype(int))
        assert row.reshape(-1, 3).std(axis=1).max() == 0  # groups are drawn whole
        for name, value in theirs(y[rows], score[rows], 0.5).items():
            assert made[name][i] == pytest.approx(value), name


def test_calibration_error_by_hand():
    y, score = np.array([1, 0, 1, 1]), np.array([0.05, 0.05, 0.95, 0.95])
    assert metrics.ece(y, score, metrics.ones(4))[0] == pytest.approx((0.45 + 0.05) / 2)
    bins = metrics.reliability(y, score)
    assert bins["count"].tolist() == [2, 2]
    assert bins["accuracy"].tolist() == [0.5, 1.0]


def test_the_best_threshold_is_no_worse_than_any_other():
    y, score = drawn(150, 3)
    best = metrics.best_threshold(y, score)
    value = sk.f1_score(y, score >= best, average="macro")
    tried = [sk.f1_score(y, score >= cut, average="macro") for cut in np.linspace(0, 1.01, 300)]
    assert value >= max(tried) - 1e-12
    assert metrics.best_threshold(np.array([0, 0, 1]), np.ones(3)) == 0.5  # always Likely stays so


def test_thresholds_are_tuned_on_validation_rows_alone():
    rows = pd.DataFrame({
        "id": list("abcdefgh"), "group": list("abcdefgh"), "split": ["validation", "test"] * 4,
        "system": "s", "seed": 0, "y_true": [0, 1, 0, 1, 1, 0, 1, 0],
        "score": [0.1, 0.2, 0.3, 0.9, 0.7, 0.4, 0.8, 0.6],
    })  # fmt: skip
    before = board.build(rows, 10)
    assert before.cuts["s"][0] == pytest.approx(0.5)
    flipped = rows.assign(y_true=rows["y_true"].where(rows["split"] == "validation", 0))
    assert board.build(flipped, 10).cuts["s"] == before.cuts["s"]
    assert before.drawn("s", "accuracy")[0][0] == 0.5


def test_differences_are_paired_and_the_worst_one_counts():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    good, poor = np.where(rng.random((2, 300)) < [[0.9], [0.6]], y, 1 - y).astype(float)
    made = board.Board(np.arange(300), y, np.arange(300), {"a": good[None], "b": poor[None],
                       "c": good[None]}, {s: np.array([0.5]) for s in "abc"}, 100)  # fmt: skip
    gap = made.gap("a", "b")
    assert gap["difference"] > 0.2
    assert gap["difference_low"] > 0
    same = made.gap("a", "c")
    assert (same["difference"], same["difference_low"], same["p"]) == (0, 0, 1)
    assert made.worst_gap("a", ["b", "c"])["difference"] == 0
    one = made.mcnemar("a", "b")
    assert one["only_second"] == ((good == y) & (poor != y)).sum()


def test_a_system_without_some_test_rows_is_refused(found):
    rows = found.rows()
    first = rows[(rows["system"] == "fnd_clip") & (rows["split"] == "test")].index[0]
    with pytest.raises(ValueError, match="fnd_clip has no score"):
        board.build(rows.drop(index=first), 10)


def test_every_table_has_prevalence_and_trivial_rules(found):
    table = systems.table(found).set_index("system")
    share = found.board().prevalence
    assert (table["prevalence"] == share).all()
    assert table.loc["always_positive", "f1"] == pytest.approx(2 * share / (1 + share))
    assert {"majority", "outlet_only"} <= set(table.index[:3])
    cut = slices.by_category(found)
    assert (cut["majority"] >= 0.5).all()
    assert systems.protocols(found)["prevalence"].between(0, 1).all()


def test_seeds_are_scored_one_by_one_and_averaged(found):
    rows = found.rows().query("system == 'spotfake' and split == 'test'")
    each = [sk.roc_auc_score(r["y_true"], r["score"]) for _, r in rows.groupby("seed")]
    table = systems.table(found).set_index("system")
    assert table.loc["spotfake", "auc"] == pytest.approx(np.mean(each))
    assert table.loc["spotfake", "seeds"] == 3


def test_tests_are_adjusted_and_name_both_systems(found):
    table = systems.tests(found)
    assert (table["p_holm"] >= table["p"]).all()
    pair = table[(table["first"] == "Text alone") & (table["second"] == "FND-CLIP (paper)")]
    assert len(pair) == 1


def test_the_planted_gain_is_found_and_no_ceiling_is_passed(found):
    gains = systems.cross_modal(found).set_index("system")
    assert gains.loc["gated_interaction", "difference_low"] > 0
    assert planted.above_ceiling(found) == []
    best = planted.ceilings(found).set_index("evidence")
    assert best.loc["everything", "auc"] > best.loc["look", "auc"]
    seen = planted.responses(found).set_index(["system", "factor"])
    low, high = seen.loc[("text_only", "mismatch"), ["low", "high"]]
    assert low < 0.5 < high
    assert seen.loc[("fnd_clip", "mismatch"), "low"] > 0.6


def test_a_system_above_the_ceiling_is_named(found):
    rows = found.predictions.copy()
    cheat = (rows["system"] == "spotfake") & (rows["variant"] == "")
    rows.loc[cheat, "score"] = rows.loc[cheat, "y_true"].astype(np.float32)
    parts = {name: getattr(found, name) for name in module.FILES} | {"predictions": rows}
    made = module.Findings(**parts, pairs=found.pairs, bootstrap=50, truth=found.truth)
    assert planted.above_ceiling(made) == ["spotfake"]


def test_a_claim_needs_interval_and_p():
    row = pd.Series({"difference_low": 0.01, "difference_high": 0.2, "p_holm": 0.01})
    assert claims.verdict(row) == claims.HOLDS
    assert claims.verdict(row.replace(0.01, 0.06)) == claims.OPEN
    worse = {"difference_low": -0.2, "difference_high": -0.1, "p_holm": 0.01}
    assert claims.verdict(pd.Series(worse)) == claims.FAILS
    assert claims.verdict(pd.Series(worse | {"difference_high": 0.1})) == claims.OPEN


def test_claims_are_asked_only_of_systems_that_ran(found):
    table = claims.check(found)
    assert "CLIP helps" in set(table["claim"])
    assert not table["claim"].str.contains("teacher").any()  # was not run
    reliable = claims.reliability_of_fusions(found)
    assert (reliable["worst_seed"] <= reliable["macro_f1"]).all()


def test_swaps_are_compared_with_the_unchanged_on_the_same_rows(found):
    table = modality.swaps(found).set_index(["kind", "system"])
    changed = found.rows(STORY, f"{SWAP}image_swapped").query("system == 'fnd_clip'")
    plain = found.board()
    values = []
    for seed, rows in changed.groupby("seed"):
        cut = plain.cuts["fnd_clip"][seed]
        rows = rows.set_index("id").loc[plain.ids]
        values.append(sk.f1_score(rows["y_true"], rows["score"] >= cut, average="macro"))
    row = table.loc[("image_swapped", "fnd_clip")]
    assert row["macro_f1"] + row["difference"] == pytest.approx(np.mean(values))
    assert modality.reliance(table.reset_index()).shape[1] == 5


def test_disagreements_are_what_they_say(found):
    picked = modality.disagreements(found, 2)
    made = found.board()
    for row in picked.query("example == 'both modalities needed'").itertuples():
        at = np.flatnonzero(made.ids == row.id)[0]
        assert made.majority("fnd_clip")[at] == row.y_true
        assert made.majority("text_only")[at] != row.y_true
    assert len(examples.with_picture(found, picked)) == len(picked)


def test_learning_ends_at_the_plain_run(found):
    curve = slices.learning(found).query("system == 'fnd_clip'")
    assert curve["share"].tolist() == [0.1, 0.25, 0.5, 1.0]
    plain = systems.table(found).set_index("system").loc["fnd_clip", "macro_f1"]
    assert curve["value"].iloc[-1] == pytest.approx(plain)


def test_paper_rows_keep_ours_apart_from_other_data(found):
    table = systems.paper_against_ours(found)
    assert table.loc[table["data"] == "Weibo", "ours"].eq("").all()
    last = table.iloc[-1]
    assert (last["system"], last["accuracy"]) == ("TruBIAS", pytest.approx(np.nan, nan_ok=True))
    assert last["ours_accuracy"] == pytest.approx(
        found.board().row("gated_interaction", ["accuracy"], "half")["accuracy"]
    )


def test_defects_are_named(found):
    rows = found.predictions
    assert module.defects(rows) == []
    assert module.defects(pd.concat([rows, rows.head(1)])) == ["an article stands twice in one run"]
    assert "a score is no probability" in module.defects(rows.assign(score=2.0))
    mixed = rows.copy()
    mixed.loc[mixed.index[mixed["split"] == "validation"][0], "group"] = mixed.loc[
        (mixed["split"] == "test") & (mixed["protocol"] == STORY), "group"
    ].iloc[0]
    assert module.defects(mixed) == ["a group has rows in both validation and test"]
    less = rows[~((rows["system"] == "spotfake") & (rows["id"] == found.board().ids[0]))]
    assert any("different articles" in line for line in module.defects(less))


def test_missing_files_and_articles_are_one_line(folder, found, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"predictions\.parquet: no such file; run 02"):
        module.read(tmp_path, folder / "pairs.parquet")
    unknown = found.rows()["id"].iloc[0]
    write_pairs(found.pairs[found.pairs["id"] != unknown], tmp_path / "pairs.parquet")
    with pytest.raises(ValueError, match=f"article {unknown} of the predictions is not in it"):
        module.read(folder / "predictions", tmp_path / "pairs.parquet")


def test_both_protocols_are_there_and_outlets_differ(found):
    assert found.protocols == [STORY, OUTLET]
    assert set(found.board(OUTLET).ids) != set(found.board().ids)


def test_the_explorer_counts_every_article(found):
    table = slices.thresholds(found)
    view = explorer.ThresholdExplorer(table, 0.3, sample=False)
    before = view.output.value
    view.threshold.value = 0.9
    assert view.output.value != before
    part = table[table["system"] == view.system.value]
    assert f"of {len(found.board().y)} articles flagged" in view.message.value
    assert explorer.sentence(part, 0.0).startswith(f"{len(found.board().y)} of")
    fig = thresholds.explorer(part, 0.5)
    assert len(fig.axes) == 2

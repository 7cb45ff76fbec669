"""Scores under resampling agree with the official ones; claims and decompositions add up."""

import ast
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib import paths
from lib.data.readers.mami import LABELS
from lib.memes import FILES, findings, scores
from lib.memes.findings import Key, benchmark, claims, reading, resampling, separation
from lib.memes.findings.resampling import Drawn, Run
from lib.report.memes import smoke
from lib.stats import bootstrap_ci


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    made, pairs = smoke.write_study(tmp_path_factory.mktemp("memes"))
    return findings.read(made, pairs, {}, True, 200)


@pytest.fixture
def drawn():
    rng = np.random.default_rng(3)
    truth = rng.random((50, 4)) < 0.3
    return truth, np.round(rng.random((50, 4)), 1), rng.integers(0, 30, 50)  # ties


def test_weighted_scores_are_the_official_ones_on_repeated_rows(drawn):
    truth, values, groups = drawn
    weights = resampling.row_weights(groups, 5)
    f1 = resampling.weighted_f1(truth, values >= 0.5, weights)
    auc = resampling.weighted_auc(truth, values, weights)
    for row, counts in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(50), counts)
        expected = scores.macro_f1(truth[rows], values[rows] >= 0.5)
        assert f1[row] == pytest.approx(expected, abs=1e-6)
        assert auc[row] == pytest.approx(scores.macro_auc(truth[rows], values[rows]))


def test_groups_are_drawn_whole_and_seeds_add_up():
    weights = resampling.row_weights(np.array(["a", "a", "b", "c"]), 50)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[0] == 1).all()
    seeds = resampling.seed_weights(10, 50)
    assert seeds.sum(1) == pytest.approx(1)
    assert seeds[0] == pytest.approx(0.1)


def test_intervals_agree_with_the_shared_bootstrap():
    rng = np.random.default_rng(0)
    values, groups = rng.random(300), np.arange(300) // 2
    weights = resampling.row_weights(groups, 2000)
    draws = weights @ values / weights.sum(1)
    _, low, high = resampling.estimate(draws[0], draws[1:])
    other = bootstrap_ci(values, clusters=groups)
    assert (low, high) == pytest.approx((other.low, other.high), abs=0.006)


def test_runs_hold_the_rows_of_their_predictions_in_the_order_of_the_test_ids(found):
    mixed = found.predictions.sample(frac=1, random_state=0)
    validation = mixed["split"] == "validation"  # whose order is that of the file
    kept = found.predictions["split"] == "validation"
    again = pd.concat([mixed[~validation], found.predictions[kept]], ignore_index=True)
    others = replace(found, predictions=again)
    assert set(others.by_run) == set(found.by_run)
    names = ["system", "variant", "ratio", "seed"]
    for (*key, seed), rows in found.predictions.groupby(names):
        tested = rows[rows["split"] == "test"].set_index("id").loc[found.test_ids]
        for one in (found, others):
            run = one.by_run[Key(*key)][seed]
            for part, frame in ((run.test, tested), (run.validation, rows[kept.loc[rows.index]])):
                expected = frame[[f"s_{label}" for label in LABELS]].to_numpy()
                assert np.array_equal(part, expected, equal_nan=True)
            truth = tested[[f"y_{label}" for label in LABELS]].to_numpy(bool)
            assert np.array_equal(one.truth.test, truth)


def test_measures_of_a_run_are_those_of_the_scorer(found):
    key = Key("raw_n_cook", "", 0.3)
    runs = list(found.by_run[key].values())
    truth = found.truth.test.astype(int)
    expected = [scores.task_b(truth[:, 1:], (run.test[:, 1:] >= 0.5).astype(int)) for run in runs]
    tuned = []
    for run in runs:
        cut = scores.best_thresholds(found.truth.validation, run.validation)
        given = (run.test >= cut).astype(int)
        tuned.append(scores.task_b(truth[:, 1:], given[:, 1:]))
    row = found.row(key)
    assert row["task_b"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert row["task_b_tuned"] == pytest.approx(np.mean(tuned), abs=1e-6)
    assert row["task_b_low"] <= row["task_b"] <= row["task_b_high"]
    assert row["seeds"] == 3


def test_a_collapsed_system_is_flagged_in_every_table(found):
    flag = "all negative (2 of 2 seeds)"
    for table in (benchmark.systems(found), benchmark.paper_tables(found),
                  benchmark.against(found)):  # fmt: skip
        rows = table[table["system"] == "Ext-PIE-Net"]
        assert len(rows) == 2
        assert (rows["collapse"] == flag).all()
        assert (table.loc[table["system"] == "RAW-N-COOK", "collapse"] == "").all()
    tables = (benchmark.ablation(found), benchmark.other_draws(found), benchmark.sweeps(found),
              claims.check(found), claims.spread(found), reading.table(found))  # fmt: skip
    assert all("collapse" in table for table in tables)


def test_differences_are_paired(found):
    key = Key("raw_n_cook", "", 0.3)
    gap = found.gap(key, key)
    assert gap["difference"] == gap["difference_low"] == gap["difference_high"] == 0
    assert gap["p"] == 1


def test_claims_get_the_verdict_of_their_interval():
    row = pd.Series({"p_holm": 0.01, "difference_low": 0.1, "difference_high": 0.2})
    assert claims.verdict(row) == "holds"
    assert claims.verdict(row.replace({0.1: -0.2, 0.2: -0.1})) == "contradicted"
    assert claims.verdict(row.replace({0.01: 0.2})) == "not shown"


def test_every_claim_stands_at_every_ratio_with_holm(found):
    table = claims.check(found)
    assert len(table) == len(claims.CLAIMS) * len(found.ratios)
    assert (table["p_holm"] >= table["p"]).all()
    printed = table.dropna(subset="printed")
    assert set(printed["ratio"]) == {0.3}
    assert len(printed) == 4


def test_gain_is_threshold_plus_ranking(found):
    wide = claims.decomposed(found).pivot(index=["ratio", "system"], columns="part")["difference"]
    assert wide["gain"].to_numpy() == pytest.approx(
        (wide["threshold"] + wide["ranking"]).to_numpy()
    )


def test_the_hypothesis_is_judged_by_the_rule_of_the_claims():
    cases = {  # ratio -> low and adjusted p of ranking, then of threshold
        0.3: ((0.01, 0.01), (-0.01, 0.9)), 0.2: ((-0.01, 0.9), (0.01, 0.01)),
        0.1: ((0.01, 0.01), (0.01, 0.01)), 0.05: ((0.01, 0.2), (0.01, 0.2)),
    }  # fmt: skip
    parts = pd.DataFrame([
        {"ratio": ratio, "system": "ours", "part": part, "difference_low": low,
         "difference_high": 0.1, "p_holm": p}
        for ratio, case in cases.items()
        for part, (low, p) in zip(("ranking", "threshold"), case, strict=True)
    ])  # fmt: skip
    said = claims.regularises(parts).set_index("ratio")["verdict"].to_dict()
    assert said == {0.3: "holds", 0.2: "contradicted", 0.1: "both", 0.05: "not shown"}


def test_a_shifted_threshold_is_no_ranking():
    rng = np.random.default_rng(1)
    values = rng.random((40, 5))
    given = claims._given(Run(values, values), Run(values, values * 0.7))
    assert (given[0] == given[1]).all()
    assert given[2].sum() < given[1].sum()


def test_separation_of_equal_blocks_does_not_differ(found):
    table = separation.table(found)
    assert len(table) == 6
    assert table["probe_auc"].between(0, 1).all()
    raw = found.separation[found.separation["features"] == "raw text"]
    same = raw.assign(features="cooked text")
    twin = findings.Findings(
        found.predictions, found.histories, pd.concat([raw, same]), found.errors, found.runs,
        found.texts, found.pairs, {}, True, 50,
    )  # fmt: skip
    assert (separation.against_raw(twin)["difference"] == 0).all()


def test_reading_compares_the_same_memes(found):
    table = reading.table(found)
    assert set(table["system"]) == {"RAW-N-COOK", "w/o CROM-AE", "text alone"}
    assert (table["memes"] == smoke.READ).all()
    difference = table["auc read"] - table["auc transcribed"]
    assert table["auc_difference"].to_numpy() == pytest.approx(difference.to_numpy())


def test_curves_span_the_seeds(found):
    table = benchmark.curves(found)
    assert set(table["measure"]) == {"task_b", "auc"}
    assert table["epoch"].max() == 5
    assert (table["low"] <= table["value"] + 1e-9).all()
    assert (table["value"] <= table["high"] + 1e-9).all()


def test_ceilings_need_a_card(found):
    assert benchmark.ceilings(found).empty
    most = {"task_b": 0.6, "auc": 0.7}
    card = {"ceilings": {"from_training_shares": {"text": most, "nothing": most}}}
    given = [getattr(found, name) for name in (*FILES, "pairs")]
    known = findings.Findings(*given, card)
    table = benchmark.ceilings(known)
    assert table["system"].tolist()[0] == "text alone"
    assert table["system"].tolist()[1] in ("all negative", "all positive")  # not a random one
    assert table["task_b ceiling"].tolist() == [0.6, 0.6]


def test_a_missing_file_or_meme_is_one_line(tmp_path, found):
    with pytest.raises(FileNotFoundError, match=r"predictions\.parquet: no such file; run 05"):
        findings.read(tmp_path, tmp_path / "pairs.parquet")
    made, pairs = smoke.write_study(tmp_path)
    table = pd.read_parquet(pairs)
    table[1:].to_parquet(pairs)
    with pytest.raises(ValueError, match="meme meme/0 of the predictions is not in it"):
        findings.read(made, pairs)


def test_over_seeds_means_the_seeds():
    measured = np.arange(12.0).reshape(2, 3, 2)  # two seeds, the data and two draws, two measures
    drawn = resampling.over_seeds(measured)
    assert isinstance(drawn, Drawn)
    assert drawn.value.tolist() == [3.0, 4.0]


def test_notebook_05_holds_scores_against_ceilings_and_runs_where_there_are_none(found):
    cells = json.loads((paths.ROOT / "notebooks/05_ssl_memes.ipynb").read_text())["cells"]
    checks = "".join([cell["source"] for cell in cells if cell["cell_type"] == "code"][-1])
    part = [step for step in ast.parse(checks).body if "ceilings" in ast.unparse(step)]

    def check(ceilings):
        card = {"ceilings": {"from_training_shares": ceilings}}
        for step in part:
            exec(ast.unparse(step), {"benchmark": benchmark, "found": replace(found, card=card)})

    check({})  # real data
    check({"text_and_picture": {"task_b": 1.0, "auc": 1.0}})
    with pytest.raises(AssertionError):
        check({"text_and_picture": {"task_b": 0.1, "auc": 1.0}})

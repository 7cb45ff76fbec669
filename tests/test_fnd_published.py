"""What the printed numbers imply, and that the data hold what was printed."""

import numpy as np
import pytest

from lib.fnd import published
from lib.fnd.findings import COUNTERPARTS
from lib.fnd.systems import SYSTEMS


def test_three_metrics_fix_the_share_of_positives():
    tp, fp, fn, tn = 60, 25, 15, 100
    n = tp + fp + fn + tn
    share = published.implied_prevalence((tp + tn) / n, tp / (tp + fp), tp / (tp + fn))
    assert share == pytest.approx((tp + fn) / n)
    f1 = 2 * tp / (2 * tp + fp + fn)
    assert published.true_positives((tp + tn) / n, f1) == pytest.approx(tp / n)
    p, r = published.other_class(tp + fn, fp + tn, tp / (tp + fp), tp / (tp + fn))
    assert (p, r) == pytest.approx((tn / (tn + fn), tn / (tn + fp)))


def test_the_model_card_is_below_always_likely():
    card = published.checked().query("source == 'model card' and key == 'nmb_teacher'").iloc[0]
    assert round(card["prevalence"], 3) == 0.562
    assert round(card["always_positive"], 3) == 0.720 > card["f1"]
    said = published.facts()
    assert said["vldbench_multimodal_likely"] / said["vldbench_articles"] == 0.562


def test_implied_shares_of_the_benchmark_disagree():
    rows = published.checked().query("dataset == 'nmb' and setting == 'fine-tuned'")
    shares = rows.dropna(subset="precision").set_index("key")["prevalence"].round(2)
    assert shares.to_dict() == {
        "spotfake": 0.33, "bert_resnet": 0.35, "fnd_clip": 0.17, "distilroberta_clip": 0.22,
    }  # fmt: skip
    printed, ours = rows["f1"], rows["f1_recomputed"]
    assert np.allclose(printed[ours.notna()], ours.dropna(), atol=1e-4)


def test_class_counts_go_before_metrics():
    rows = published.checked()
    weibo = rows[(rows["dataset"] == "weibo") & (rows["system"] == "FND-CLIP")].iloc[0]
    assert weibo["prevalence"] == 1000 / 1996
    subset = rows[rows["setting"].str.startswith("posts whose")].iloc[0]
    assert np.isnan(subset["prevalence"])  # another test set than the one that was counted
    gossip = rows[(rows["dataset"] == "gossipcop") & (rows["system"] == "SpotFake")]
    assert set(gossip["majority"].round(3)) == {0.807}


def test_every_inconsistency_is_recomputed():
    table = published.inconsistencies().set_index("where")
    assert table.loc["Fair-ly example", "recomputed"].endswith("0.0484")
    assert "97.6%" in table.loc["NMB+ benchmark page", "recomputed"].iloc[-1]
    assert "0.902 and 0.915" in table.loc["FND-CLIP paper, Weibo", "recomputed"]
    collapsed = table.loc["SpotFake+ table 2, PolitiFact", "claim"]
    assert "SpotFake" in collapsed
    assert (table["verdict"] == "consistent").sum() == 1


def test_counterparts_are_systems_of_ours():
    keys = set(published.table()["key"]) - {""}
    assert keys == set(COUNTERPARTS)
    assert set(COUNTERPARTS.values()) <= set(SYSTEMS)
    assert set(published.table()["dataset"]) == set(published.DATASETS)

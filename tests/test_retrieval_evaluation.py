"""Metrics against counting by hand, against ranx where it is installed, and the conventions."""

import numpy as np
import pandas as pd
import pytest

from lib.retrieval.evaluation import KS, MRR, chance, evaluate, judge, run_frame, truth_frame
from lib.retrieval.topk import TopK, top_k


def run_of(ranking):
    """{query: [(image, score), ...]} -> run."""
    rows = [
        (query, image, rank, score)
        for query, images in ranking.items()
        for rank, (image, score) in enumerate(images, 1)
    ]
    return pd.DataFrame(rows, columns=["query", "image", "rank", "score"])


def random_run(queries=50, images=300, seed=0):
    rng = np.random.default_rng(seed)
    texts, pictures = rng.standard_normal((queries, 8)), rng.standard_normal((images, 8))
    pictures[:queries] += 0.8 * texts
    names = [f"q{i}" for i in range(queries)], [f"i{i}" for i in range(images)]
    found = top_k(texts.astype(np.float32), pictures.astype(np.float32), 100)
    return run_frame(found, *names), truth_frame(names[0], names[1][:queries])


def test_counting_by_hand():
    run = run_of({"a": [("x", 3.0), ("y", 2.0)], "b": [("x", 2.0), ("y", 1.0)], "c": [("x", 1.0)]})
    truth = truth_frame(["a", "b", "c", "d"], ["x", "y", "z", "w"])
    found = judge(run, truth)
    assert found.index.tolist() == ["a", "b", "c", "d"]
    assert found["rank"].tolist()[:2] == [1, 2]
    assert found["rank"].isna().tolist() == [False, False, True, True]
    assert found[MRR].tolist() == [1, 0.5, 0, 0]
    assert evaluate(run, truth) == {MRR: 0.375, "R@1": 0.25} | {f"R@{k}": 0.5 for k in KS[1:]}


def test_ranks_beyond_100_do_not_count():
    run = run_of({"a": [(f"i{n}", -float(n)) for n in range(1, 151)]})
    assert evaluate(run, truth_frame(["a"], ["i100"]))[MRR] == pytest.approx(0.01)
    assert evaluate(run, truth_frame(["a"], ["i101"])) == dict.fromkeys([MRR, *evaluate_keys()], 0)


def evaluate_keys():
    return [f"R@{k}" for k in KS]


def test_ties_share_their_places():
    run = run_of({"a": [("p", 2.0), ("x", 1.0), ("y", 1.0 + 1e-8), ("z", 1.0)]})
    found = judge(run, truth_frame(["a"], ["x"])).iloc[0]
    assert found["rank"] == 3  # places 2, 3 and 4
    assert found[MRR] == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)
    assert found["R@1"] == 0
    last = judge(run, truth_frame(["a"], ["z"])).iloc[0]
    assert last.equals(found)  # the order of the file decides nothing
    assert judge(run, truth_frame(["a"], ["z"]), ties=False).iloc[0]["rank"] == 4


def test_repeated_titles_both_ways():
    run = run_of({"a": [("y", 2.0), ("x", 1.0)], "b": [("y", 2.0), ("x", 1.0)]})
    titles = ["Flood  in Town", "flood in town"]
    own = judge(run, truth_frame(["a", "b"], ["x", "y"]))
    either = judge(run, truth_frame(["a", "b"], ["x", "y"], titles))
    assert own["rank"].tolist() == [2, 1]
    assert either["rank"].tolist() == [1, 1]
    empty = truth_frame(["a", "b"], ["x", "y"], ["", ""])
    assert len(empty) == 2  # two empty titles have nothing in common
    assert judge(run, empty)["rank"].tolist() == [2, 1]


def test_equals_the_full_ranking():
    run, truth = random_run()
    ranks = run.merge(truth, on=["query", "image"]).set_index("query")["rank"]
    ranks = ranks.reindex(truth["query"]).to_numpy(float)
    found = judge(run, truth)
    assert np.array_equal(found["rank"].to_numpy(), ranks, equal_nan=True)
    assert found[MRR].mean() == pytest.approx(np.nan_to_num(1 / ranks).mean())
    for k in KS:
        assert found[f"R@{k}"].mean() == pytest.approx((ranks <= k).mean())


def test_a_submission_without_scores_is_judged_by_rank():
    run, truth = random_run()
    bare = run.drop(columns="score").sample(frac=1, random_state=0)
    assert evaluate(bare, truth) == pytest.approx(evaluate(run, truth))


def test_unfilled_places_are_left_out():
    found = TopK(np.array([[2, 0, -1]]), np.array([[0.5, 0.1, -np.inf]], np.float32))
    run = run_frame(found, ["q"], ["a", "b", "c"])
    assert run[["image", "rank"]].to_numpy().tolist() == [["c", 1], ["a", 2]]
    assert evaluate(run, truth_frame(["q"], ["b"]))["R@100"] == 0


def test_chance():
    # Random order of 1,500: the organisers' baseline.
    assert chance(1500)[MRR] == pytest.approx(0.00346, abs=5e-6)
    assert chance(1500)["R@100"] == pytest.approx(0.06667, abs=5e-6)
    assert chance(40)["R@100"] == 1


def test_agrees_with_ranx(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # compiling it takes minutes, running it nothing
    ranx = pytest.importorskip("ranx")
    run, truth = random_run()
    qrels = ranx.Qrels({q: {i: 1} for q, i in truth.itertuples(index=False)})
    ranking = {
        q: {row.image: 1000.0 - row.rank for row in rows.itertuples()}
        for q, rows in run.groupby("query")
    }
    names = ["mrr@100", *(f"hit_rate@{k}" for k in KS)]
    theirs = ranx.evaluate(qrels, ranx.Run(ranking), names)
    ours = list(evaluate(run, truth, ties=False).values())
    assert ours == pytest.approx([theirs[name] for name in names], abs=1e-9)

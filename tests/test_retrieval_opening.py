"""What notebook 04 opens, and what it refuses in one line."""

import json

import numpy as np
import pandas as pd
import pytest

from lib.retrieval.explorer import Gallery, System
from lib.retrieval.finetune.features import FeatureCache, Weights
from lib.retrieval.study import opening, showing
from lib.retrieval.study.inputs import WiseFtRetrieval
from lib.retrieval.submission import write_submission


@pytest.mark.parametrize(
    ("given", "missing"),
    [(("p.parquet", "", "m"), "embeddings"), (("", "e", "m"), "pairs"), (("p", "e", ""), "models")],
)
def test_part_of_the_paths_is_one_line(given, missing):
    pairs, embeddings, models = given
    with pytest.raises(ValueError, match=f"^{missing}: belongs to pairs, embeddings") as error:
        opening.open_inputs("x.yaml", WiseFtRetrieval(), pairs, "", embeddings, models)
    assert "\n" not in str(error.value)


def test_kinds_are_those_that_the_sample_planted(tmp_path):
    assert opening.planted(tmp_path) is None
    truth = pd.DataFrame({"set": ["2022-rt"], "article": ["007"], "kind": ["person"]})
    truth.to_csv(tmp_path / "truth.csv", index=False)
    assert opening.planted(tmp_path) == {"2022-rt/007": "person"}


def test_histories_are_one_row_a_run_and_seed(tmp_path):
    for seed, scores in ((0, [0.2, 0.4, 0.3]), (1, [0.1])):
        epochs = [{"epoch": i, "validation": value} for i, value in enumerate(scores)]
        log = {"seed": seed, "weights_trained": 9, "best_epoch": 1, "zero_shot": 0.15}
        log |= {"history": epochs}
        (tmp_path / "2022-rt" / f"seed{seed}").mkdir(parents=True)
        (tmp_path / "2022-rt" / f"seed{seed}" / "history.json").write_text(json.dumps(log))
    table = opening.histories(tmp_path)
    assert table["run"].tolist() == ["2022-rt", "2022-rt"]
    assert table[["seed", "epochs", "validation_mrr"]].to_numpy().tolist() == [
        [0, 3, 0.4],
        [1, 1, 0.1],
    ]


def test_a_submission_is_read_back_with_its_score(tmp_path):
    names = ["a", "b", "c"]
    pairs = pd.DataFrame({"source": "s", "split": "test", "text": "t", "image": "i.jpg",
                          "article": names, "iid": [n.upper() for n in names]})  # fmt: skip
    lists = {"a": "ABC", "b": "ABC", "c": "ABC"}
    run = pd.DataFrame([(q, i, r) for q, row in lists.items() for r, i in enumerate(row, 1)],
                       columns=["query", "image", "rank"])  # fmt: skip
    write_submission(run, tmp_path / "s.tsv", 3)
    defects, scores = showing.read_back(pairs, "s", tmp_path / "s.tsv")
    assert defects == []
    assert scores["MRR@100"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


class FakeEncoder:
    """Stands for an encoder: remembers what it was loaded with."""

    dim = 4


class FakeTowers:
    def __init__(self):
        self.encoder, self.loads = FakeEncoder(), []

    def load(self, state):
        self.loads.append(state)


def test_weights_are_put_in_place_only_when_they_are_not_there(monkeypatch):
    monkeypatch.setattr(showing, "encode_texts", lambda encoder, texts: np.ones((1, 4)))
    cache = FeatureCache(FakeTowers())
    zero, tuned = (
        showing._encode(cache, Weights(key, lambda key=key: key)) for key in ("zero", "tuned")
    )
    for encode in (zero, zero, tuned, tuned, zero):
        assert encode("a title").shape == (4,)
    assert cache.towers.loads == ["zero", "tuned", "zero"]


def test_dual_softmax_takes_the_hub_out_of_first_place():
    images = np.eye(3, 4, dtype=np.float32)
    bias = np.array([0.5, 0, 0], np.float32)
    query = np.array([0.8, 0.5, 0.1, 0], np.float32)
    systems = {
        "plain": System(lambda t: query, images),
        "ds": System(lambda t: query, images, bias),
    }
    hits = Gallery(systems, ["a", "b", "c"], {"t": 1}, ".").ask("t").hits
    assert [found.rank for found in hits] == [2, 1]

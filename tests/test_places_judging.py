import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import cohen_kappa_score

from lib.places import judging, labels

CLASSES = ["/b/bridge", "/b/bar", "/s/skyscraper"]


def world(n=600, seed=0):
    """Two systems over n posts; the second changes some answers; truth for all."""
    rng = np.random.default_rng(seed)
    ids = [f"{i:04d}" for i in range(n)]
    image = rng.choice(CLASSES, size=n, p=[0.6, 0.3, 0.1])
    pooled = np.where(rng.random(n) < 0.2, rng.choice(CLASSES, size=n), image)
    right = rng.random(n) < pd.Series(image).map(dict(zip(CLASSES, [0.9, 0.4, 0.1], strict=True)))
    truth = np.where(right, image, "none")
    frames = [
        pd.DataFrame({"id": ids, "system": name, "variant": "natural", "y_pred": answers})
        for name, answers in (("image", image), ("pooled", pooled))
    ]
    return pd.concat(frames, ignore_index=True), dict(zip(ids, truth, strict=True))


def test_every_stratum_is_a_sample_of_its_own_posts():
    predictions, _ = world()
    sample = judging.draw_judging_sample(predictions, classes=2, per_class=50, seed=1)
    answers = predictions.set_index(["system", "id"])["y_pred"]
    for (system, label), rows in sample.groupby(["system", "y_pred"]):
        assert rows["id"].is_unique
        assert (answers.loc[system].loc[rows["id"]] == label).all()
        frequency = int((answers.loc[system] == label).sum())
        assert set(rows["frequency"]) == {frequency}
        assert len(rows) == rows["drawn"].iloc[0] == min(50, frequency)
    assert sample.groupby("system")["y_pred"].unique().map(list).tolist() == [CLASSES[:2]] * 2
    assert (sample.groupby("id").size() == sample.groupby("id")["inclusions"].first()).all()
    assert sorted(judging.judging_list(sample)) == sorted(sample["id"].unique())


def test_sample_hangs_on_the_seed_and_not_on_row_order():
    predictions, _ = world()
    one = judging.draw_judging_sample(predictions, 3, 20, seed=1)
    shuffled = predictions.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(one, judging.draw_judging_sample(shuffled, 3, 20, seed=1))
    other = judging.draw_judging_sample(predictions, 3, 20, seed=2)
    assert set(one["id"]) != set(other["id"])


def test_systems_that_agree_share_the_posts_to_judge():
    predictions, _ = world()
    sample = judging.draw_judging_sample(predictions, 3, 50, seed=1)
    separate = sample.groupby("system")["id"].nunique().sum()
    assert sample["id"].nunique() < 0.8 * separate


def test_named_classes_are_drawn_for_every_system():
    predictions, _ = world()
    sample = judging.draw_judging_sample(predictions, ["/s/skyscraper", "/z/zoo"], 5)
    assert set(sample["y_pred"]) == {"/s/skyscraper"}


def test_stratified_accuracy_is_unbiased_and_covers():
    predictions, truth = world()
    real = {
        name: np.mean([truth[row.id] == row.y_pred for row in rows.itertuples()])
        for name, rows in predictions.groupby("system")
    }
    found = []
    for seed in range(60):
        sample = judging.draw_judging_sample(predictions, 3, 30, seed=seed)
        found.append(judging.table2(sample, truth)[1].assign(seed=seed))
    found = pd.concat(found)
    for name, rows in found.groupby("system"):
        assert rows["weighted"].mean() == pytest.approx(real[name], abs=0.015)
        covered = (rows["weighted_low"] <= real[name]) & (real[name] <= rows["weighted_high"])
        assert covered.mean() > 0.85


def test_table2_counts_only_the_systems_own_draws():
    predictions, truth = world()
    sample = judging.draw_judging_sample(predictions, 3, 30, seed=3)
    table, accuracy = judging.table2(sample, truth)
    row = table.query("system == 'image' and y_pred == '/b/bridge'").iloc[0]
    mine = sample.query("system == 'image' and y_pred == '/b/bridge'")
    hits = sum(truth[post] == "/b/bridge" for post in mine["id"])
    assert (row["judged"], row["hits"], row["precision"]) == (30, hits, hits / 30)
    assert accuracy["judged"].tolist() == [90, 90]
    half = {post: label for i, (post, label) in enumerate(truth.items()) if i % 2}
    assert judging.table2(sample, half)[0]["judged"].sum() < table["judged"].sum()


def clock():
    return "2026-01-02T03:04:05+00:00"


def test_session_answers_skips_undoes():
    session = judging.LabelSession(["1", "2", "3"], "ann", clock=clock)
    assert (session.current, session.progress) == ("1", (0, 3))
    session.skip()
    session.answer("/b/bridge")
    session.answer("none")
    assert (session.current, session.progress) == ("1", (2, 3))
    assert session.undo()
    assert (session.current, session.progress) == ("3", (1, 3))
    assert session.undo()
    assert session.undo()
    assert session.queue == ["1", "2", "3"]
    assert not session.undo()
    for label in CLASSES:
        session.answer(label)
    assert session.current is None
    assert session.frame()["label"].tolist() == CLASSES
    with pytest.raises(ValueError, match="nothing left to judge"):
        session.answer("none")
    with pytest.raises(ValueError, match="nothing left to judge"):
        session.skip()


def test_session_refuses_what_is_no_class():
    session = judging.LabelSession(["1"], "ann", clock=clock)
    for label in ("bridge", "", "hit"):
        with pytest.raises(ValueError, match=f"label: '{label}' is no raw Places name"):
            session.answer(label)
    assert session.progress == (0, 1)
    with pytest.raises(ValueError, match="a post is listed twice"):
        judging.LabelSession(["1", "1"], "ann")
    with pytest.raises(ValueError, match="annotator: give a name"):
        judging.LabelSession(["1"], " ")


def test_session_saves_at_once_and_resumes(tmp_path):
    path = tmp_path / "gold.csv"
    session = judging.LabelSession(["1", "2", "3"], "ann", path, clock)
    session.answer("/b/bridge")
    session.skip()
    session.answer("none")
    again = judging.LabelSession(["1", "2", "3"], "ann", path, clock)
    assert (again.current, again.progress) == ("2", (2, 3))
    again.answer("/b/bar")
    again.undo()
    expected = pd.DataFrame(
        [("1", "/b/bridge", "ann", clock()), ("3", "none", "ann", clock())],
        columns=labels.LABEL_COLUMNS,
    )
    pd.testing.assert_frame_equal(labels.read_labels(path), expected, check_dtype=False)
    assert os.listdir(tmp_path) == ["gold.csv"]


def test_two_annotators_share_a_file(tmp_path):
    path = tmp_path / "gold.csv"
    ann = judging.LabelSession(["1", "2"], "ann", path, clock)
    bob = judging.LabelSession(["1", "2"], "bob", path, clock)
    ann.answer("none")
    bob.answer("/b/bar")
    ann.answer("/b/bar")
    bob.undo()
    bob.answer("none")
    frame = labels.read_labels(path)
    assert sorted(zip(frame["id"], frame["annotator"], frame["label"], strict=True)) == [
        ("1", "ann", "none"),
        ("1", "bob", "none"),
        ("2", "ann", "/b/bar"),
    ]


def test_a_kill_while_saving_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "gold.csv"
    session = judging.LabelSession(["1", "2"], "ann", path, clock)
    session.answer("none")
    before = path.read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        session.answer("/b/bar")
    assert path.read_bytes() == before


@pytest.fixture
def labeller(tmp_path):
    for post, colour in (("1", "red"), ("2", "blue"), ("3", "green")):
        Image.new("RGB", (20, 20), colour).save(tmp_path / f"{post}.jpg")
    posts = pd.DataFrame({"id": ["1", "2", "3"], "text": ["<b>hi</b>", "two", "three"]})
    posts["image"] = posts["id"] + ".jpg"
    session = judging.LabelSession(posts["id"], "ann", tmp_path / "gold.csv", clock)
    return judging.Labeller(session, posts, tmp_path, {"1": ["/b/bridge", "/b/bar"]})


def test_labeller_buttons(labeller):
    red = labeller.picture.value
    assert red[:2] == b"\xff\xd8"
    assert [b.description for b in labeller.offers.children] == ["1  bar", "2  bridge"]
    labeller.offers.children[1].click()
    assert labeller.session.answers["1"][0] == "/b/bridge"
    assert labeller.picture.value != red
    assert labeller.bar.value == 1
    assert labeller.offers.children == ()
    labeller.keys["s"].click()
    assert labeller.session.current == "3"
    labeller.keys["n"].click()
    assert labeller.session.answers["3"][0] == "none"
    labeller.keys["u"].click()
    labeller.keys["u"].click()
    labeller.keys["u"].click()
    assert labeller.session.current == "1"
    assert labeller.picture.value == red
    assert labeller.message.value == "0 of 3"


def test_labeller_box_takes_keys_and_names(labeller):
    assert len(labeller.box.options) == 206
    labeller.box.value = "1"
    assert labeller.session.answers["1"][0] == "/b/bar"
    assert labeller.box.value == ""
    labeller.box.value = "9"
    assert "is no class and no key" in labeller.message.value
    labeller.box.value = "outdoor church"
    assert labeller.session.answers["2"][0] == "/c/church/outdoor"
    labeller.box.value = "n"
    assert labeller.session.current is None
    assert labeller.picture.value == b""
    labeller.box.value = "n"
    assert labeller.message.value == "all judged"
    labeller.box.value = "u"
    assert labeller.session.current == "3"


def test_labeller_hides_the_caption_until_asked(labeller):
    assert labeller.caption.value == ""
    labeller.box.value = "c"
    assert labeller.caption.value == "&lt;b&gt;hi&lt;/b&gt;"
    labeller.show_caption.value = False
    assert labeller.caption.value == ""


def test_kappa_equals_sklearn_and_has_an_interval():
    rng = np.random.default_rng(0)
    a = rng.choice(CLASSES, size=200)
    b = np.where(rng.random(200) < 0.7, a, rng.choice(CLASSES, size=200))
    kappa = judging.cohen_kappa(a, b, n=500)
    assert kappa.value == pytest.approx(cohen_kappa_score(a, b))
    assert kappa.low < kappa.value < kappa.high
    assert judging.cohen_kappa(a, a, n=50).value == 1


def test_agreement_of_every_pair_on_shared_posts():
    rows = [("1", "none", "ann"), ("2", "/b/bar", "ann"), ("1", "none", "bob")]
    rows += [("2", "none", "bob"), ("3", "none", "bob"), ("9", "none", "eve")]
    frame = pd.DataFrame(rows, columns=["id", "label", "annotator"])
    found = judging.agreement(frame)
    assert found[["annotator_a", "annotator_b", "n", "agreed"]].values.tolist() == [
        ["ann", "bob", 2, 0.5]
    ]

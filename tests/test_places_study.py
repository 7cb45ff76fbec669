"""The study's systems on features made up so that the right answers are known."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib.places import judging, labels, study
from lib.places.study import claims, contrasts, inputs, panels
from lib.places.study.systems import COLUMNS, Features, ZeroShotPlaces

SETTINGS = ZeroShotPlaces(
    encoders=("toy",), prompt_sets=("raw", "natural"), shots=(1, 4), seeds=(0, 1, 2)
)
N, D, USED = 600, 48, 12
MERGED = {"/a/art_gallery", "/a/art_studio"}


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def toy():
    """Posts of 12 classes and none; every other caption points at the class, the rest at noise."""
    rng = np.random.default_rng(7)
    classes = unit(rng.normal(size=(205, D)))
    used = rng.choice(205, USED, replace=False)
    y = rng.choice([*used, -1], N)
    truth = np.where(y < 0, 0, y)
    helpful = rng.random(N) < 0.5
    noise = unit(rng.normal(size=(4, N, D)))
    # A picture that is no place points at one of the reject prompts.
    others = unit(rng.normal(size=(6, D)))
    image = np.where((y >= 0)[:, None], classes[truth], others[rng.integers(6, size=N)])
    image = image + 2.2 * noise[0]
    text = np.where((helpful & (y >= 0))[:, None], classes[truth] + 0.7 * noise[1], noise[2])
    names = np.array([*labels.names(), labels.NONE], dtype=object)
    pairs = pd.DataFrame(
        {
            "id": [f"{i:04d}" for i in range(N)],
            "text": ["" if i % 50 == 0 else "words" for i in range(N)],
            "split": np.array(["train", "validation", "test"])[np.arange(N) % 3],
            "group": [f"{i // 2 * 2:04d}" for i in range(N)],
            "label": names[y],
        }
    )
    sets = {"raw": classes, "natural": unit(classes + 0.05 * unit(rng.normal(size=(205, D))))}
    features = Features("toy", image, text, sets, dict.fromkeys(sets, others))
    return pairs, features


@pytest.fixture(scope="module")
def result(toy):
    pairs, features = toy
    return study.run(pairs, [features], SETTINGS)


def accuracy(predictions, system, variant="toy/natural", split="test"):
    rows = predictions.query("system == @system and variant == @variant and split == @split")
    assert len(rows), system
    return float((rows["y_true"] == rows["y_pred"]).mean())


def test_every_system_answers_once_for_every_post(result):
    table = result.predictions
    assert list(table.columns) == COLUMNS
    assert not table.duplicated(["id", "system", "variant", "seed"]).any()
    test = table.query("split == 'test'")
    assert (test.groupby(["system", "variant", "seed"]).size() == N // 3).all()
    assert {
        "image", "caption", "ensemble_0.8_0.2", "ensemble_cv", "log_pool_cv", "image_merged",
        "image_reject", "image_calibrated", "conditional_confidence", "conditional_margin",
        "conditional_cosine", "linear_probe_1", "linear_probe_4", "tip_adapter_1", "tip_adapter_4",
        "majority", "random", "reject_all",
    } == set(table["system"])  # fmt: skip
    assert table["score"].between(0, 1).all()
    assert (table["margin"] <= table["score"] + 1e-7).all()


def test_planted_effects_are_found(result):
    table = result.predictions
    image = accuracy(table, "image")
    assert accuracy(table, "log_pool_cv") > image + 0.02  # half of the captions name the class
    none = table[table["y_true"] == labels.NONE]  # one post in thirteen
    assert accuracy(none, "image") == 0
    assert accuracy(none, "image_reject") > 0.3
    assert accuracy(table, "caption") < accuracy(table, "ensemble_cv")
    assert accuracy(table, "random", "") < 0.05
    assert accuracy(table, "linear_probe_4") > accuracy(table, "linear_probe_1")
    assert result.selections["variants"]["toy/natural"]["log_pool_cv_weight"] < 1


def test_a_weight_is_never_used_on_the_posts_that_chose_it(toy, result):
    """Non-test posts are scored out of fold: lying about one fold cannot help that fold."""
    grid = result.grid.query("variant == 'toy/natural' and system == 'ensemble_cv'")
    assert sorted(grid["fold"].unique()) == list(range(5))
    mean = grid.groupby("w_img")["accuracy"].mean().round(12)
    chosen = result.selections["variants"]["toy/natural"]["ensemble_cv_weight"]
    assert mean[chosen] == mean.max()


def test_selection_never_sees_a_test_label(toy, result):
    pairs, features = toy
    test = pairs["split"] == "test"
    shuffled = pairs.copy()
    shuffled.loc[test, "label"] = np.random.default_rng(1).permutation(pairs.loc[test, "label"])
    assert not shuffled["label"].equals(pairs["label"])
    again = study.run(shuffled, [features], SETTINGS)
    assert again.selections == result.selections
    answers = [column for column in COLUMNS if column != "y_true"]
    pd.testing.assert_frame_equal(again.predictions[answers], result.predictions[answers])


def test_selection_does_see_the_other_labels(toy, result):
    """The test above could pass with selections that look at nothing."""
    pairs, features = toy
    rest = pairs["split"] != "test"
    shuffled = pairs.copy()
    shuffled.loc[rest, "label"] = np.random.default_rng(1).permutation(pairs.loc[rest, "label"])
    assert study.run(shuffled, [features], SETTINGS).selections != result.selections


def test_unlabelled_posts_leave_out_what_needs_labels_and_say_so(toy, tmp_path):
    pairs, features = toy
    found = study.run(pairs.assign(label="", split=""), [features], SETTINGS)
    zero_shot = {"image", "caption", "ensemble_0.8_0.2", "image_merged", "image_reject"}
    assert set(found.predictions["system"]) == {*zero_shot, "random", "reject_all"}
    assert set(found.selections["skipped"]) == {*study.SELECTED, *study.TRAINED}
    assert (found.predictions["y_true"] == "").all()
    study.write(found, tmp_path)
    assert len(pd.read_parquet(tmp_path / "predictions.parquet")) == len(found.predictions)


def test_unreadable_pictures_are_left_out_and_named(toy):
    pairs, features = toy
    image = features.image.copy()
    image[[3, 8]] = np.nan
    found = study.run(pairs, [replace(features, image=image)], SETTINGS)
    assert found.selections["unreadable"] == ["0003", "0008"]
    assert not found.predictions["id"].isin(["0003", "0008"]).any()


def test_an_empty_caption_changes_no_answer(toy, result):
    pairs, _ = toy
    silent = pairs.loc[pairs["text"] == "", "id"]
    rows = result.predictions[result.predictions["id"].isin(silent)]
    rows = rows[rows["variant"] == "toy/raw"].set_index(["system", "id"])["y_pred"].unstack(0)
    for system in ("ensemble_0.8_0.2", "log_pool_cv", "conditional_margin", "conditional_cosine"):
        assert (rows[system] == rows["image"]).all(), system


def test_merged_truth_and_answers_use_the_same_names(result):
    rows = result.predictions.query("system == 'image_merged' and variant == 'toy/raw'")
    known = {*labels.groups("group"), labels.NONE}
    assert set(rows["y_true"]) <= known
    assert set(rows["y_pred"]) <= known
    assert not known & MERGED


def test_same_input_same_bytes(toy, result, tmp_path):
    pairs, features = toy
    study.write(result, tmp_path / "a")
    study.write(study.run(pairs, [features], SETTINGS), tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["predictions.parquet", "selections.json", "weight_grid.csv"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    chosen = json.loads((tmp_path / "a" / "selections.json").read_text())
    assert len(chosen["variants"]["toy/raw"]["class_features"]) == 16


def test_prompt_features_have_one_row_a_class():
    def encode(texts):
        rows = [np.random.default_rng(list(text.encode())).normal(size=8) for text in texts]
        return np.stack(rows)

    classes, others = study.prompt_features(encode, ("raw", "ensemble"))
    assert classes["ensemble"].shape == (205, 8)
    assert others["raw"].shape == (len(labels.OTHER), 8)
    np.testing.assert_allclose(np.linalg.norm(classes["ensemble"], axis=1), 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoders": ()}, "encoders: name at least one"),
        ({"prompt_sets": ("raw", "poetic")}, "prompt_sets: 'poetic' is not one of"),
        ({"main_prompts": "ensemble"}, "main_prompts: 'ensemble' is not among"),
        ({"conditions": ("mood",)}, "conditions: 'mood' is not one of"),
        ({"paper_weight": 1.2}, "paper_weight: must lie in"),
        ({"folds": 1}, "folds: must be at least 2"),
        ({"shots": (0, 1)}, "shots: must be at least 1"),
        ({"export_classes": ("bridge",)}, "not one of the 205"),
    ],
)
def test_settings_out_of_range_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SETTINGS, **change).validate()


def test_features_of_another_length_are_refused(toy):
    pairs, features = toy
    with pytest.raises(ValueError, match="encoder toy: 600 images and 600 texts for 599 posts"):
        study.run(pairs[1:], [features], SETTINGS)


def row(post, system, y_pred, score, y_true="/b/bridge", variant="toy/raw"):
    return (post, "test", system, variant, -1, 0, y_true, y_pred, score, "", 0.0, 0.0)


@pytest.fixture
def answers():
    """Four posts: a caption helps one, harms one, changes one wrong answer, leaves one alone."""
    before = ["/s/sky", "/b/bridge", "/s/sky", "/b/bridge"]
    after = ["/b/bridge", "/s/sky", "/s/shower", "/b/bridge"]
    rows = [row(f"{i}", "image", p, 0.4) for i, p in enumerate(before)]
    rows += [row(f"{i}", "caption", p, 0.5 + i / 10) for i, p in enumerate(after)]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_what_a_caption_does_to_each_post(answers):
    image = contrasts.select(answers, "image", "toy/raw")
    table = contrasts.effect(image, contrasts.select(answers, "caption", "toy/raw"))
    assert table["effect"].sort_index().tolist() == [
        "helps", "harms", "changes a wrong answer", "changes nothing",
    ]  # fmt: skip
    assert table.index.tolist() == ["3", "2", "1", "0"]  # most confident first


def test_texts_of_a_sheet_are_captions_without_emoji(answers):
    image = contrasts.select(answers, "image", "toy/raw")
    table = contrasts.effect(image, contrasts.select(answers, "caption", "toy/raw"))
    posts = pd.DataFrame({"id": list("3210"), "text": ["no", "no", "spoils", "helps \U0001f600!"]})
    under, colors = panels.changed(table, posts)
    assert [text.splitlines()[1] for text in under.values()] == ["“helps !”", "“spoils”"]
    assert list(under) == ["0", "1"]
    assert len(set(colors)) == 2


def test_paired_comparison_counts_both_directions(answers):
    clusters = pd.Series(list("abcd"), index=list("0123"))
    table = contrasts.compare(answers, "toy/raw", ["caption"], "image", clusters, n=50)
    found = table.iloc[0]
    assert (found["helped"], found["harmed"], found["difference"], found["p"]) == (1, 1, 0, 1)


def test_a_system_without_rows_is_named(answers):
    with pytest.raises(ValueError, match="system image, variant 'toy/odd'"):
        contrasts.select(answers, "image", "toy/odd")


def test_dilution_counts_posts_that_only_the_merged_class_classifies():
    group = labels.merged_name(["/a/art_gallery"], "group")[0]
    single = [(0.3, "/a/art_gallery"), (0.6, "/a/art_gallery"), (0.45, "/a/art_studio")]
    frame = [row(f"{i}", "image", p, s, "/a/art_gallery") for i, (s, p) in enumerate(single)]
    frame += [row(f"{i}", "image_merged", group, s, group) for i, s in enumerate((0.6, 0.8, 0.7))]
    table = contrasts.dilution(pd.DataFrame(frame, columns=COLUMNS), "toy/raw")
    assert table[["group", "posts", "right", "known"]].to_numpy().tolist() == [[group, 2, 2, 2]]
    assert table["share_lost"].iloc[0] == pytest.approx((0.3 + 0.25) / 2)
    assert table["members"].iloc[0] == labels.groups("group").count(group)


def test_confusions_are_named_by_kind():
    pairs = [("none", "/s/sky"), ("/a/art_studio", "/a/art_gallery"), ("/b/bridge", "/b/bar")]
    frame = [row(f"{i}", "image", p, 0.5, t) for i, (t, p) in enumerate(pairs)]
    frame += [row("9", "image", "/b/bridge", 0.5)]  # a right answer is no confusion
    table = contrasts.confusions(pd.DataFrame(frame, columns=COLUMNS), "toy/raw")
    kinds = dict(zip(table["y_true"], table["kind"], strict=True))
    assert kinds == {"none": "no place", "/a/art_studio": "near-synonym", "/b/bridge": "other"}


def claimed(seed, better):
    """Claims on 400 posts where the ensemble is right `better` more often than the image."""
    rng = np.random.default_rng(seed)
    frame = []
    for system, variant, rate, mean in (
        ("image", "e/raw", 0.5, 0.4), ("image", "e/natural", 0.5, 0.4),
        ("ensemble_0.8_0.2", "e/natural", 0.5 + better, 0.4),
        ("conditional_margin", "e/natural", 0.5 + better, 0.4),
    ):  # fmt: skip
        for i in range(400):
            right = rng.random() < rate
            score = np.clip(rng.normal(mean + 0.2 * right, 0.15), 0, 1)
            answer = "/b/bridge" if right else "/s/sky"
            frame.append(row(f"{i:03d}", system, answer, score, variant=variant))
    clusters = pd.Series([f"{i:03d}" for i in range(400)], index=[f"{i:03d}" for i in range(400)])
    table = pd.DataFrame(frame, columns=COLUMNS)
    return claims.check(table, "e", "ensemble_0.8_0.2", clusters, n=200).set_index("claim")


def test_claims_follow_what_was_planted():
    table, flipped = claimed(0, 0.3), claimed(0, -0.3)
    key = "with captions at .8/.2, posts over 0.4 are right more often"
    assert (table.loc[key, "verdict"], flipped.loc[key, "verdict"]) == ("holds", "does not hold")
    assert table.loc["hits are more confident than failures", "verdict"] == "holds"
    assert table["low"].le(table["value"]).all()
    assert table["high"].ge(table["value"]).all()
    assert table.loc["natural prompts are right more often than bare labels", "verdict"] == (
        "cannot be told"
    )


def test_claims_without_labels_are_those_about_shares(toy):
    pairs, features = toy
    found = study.run(pairs.assign(label="", split=""), [features], SETTINGS).predictions
    table = claims.check(found, "toy", "ensemble_0.8_0.2", pairs.set_index("id")["group"], n=20)
    assert table["measure"].tolist() == ["share, difference", "share lost"]


def test_summary_averages_seeds_and_leaves_out_other_posts(answers):
    other = answers.assign(split="train", y_pred="/s/shower", variant="toy/raw")
    twice = pd.concat([answers.assign(seed=0), answers.assign(seed=1)])
    clusters = pd.Series(list("abcd"), index=list("0123"))
    table = contrasts.summary(pd.concat([twice, other]), clusters, n=20).set_index("system")
    assert table["posts"].tolist() == [4, 4]
    assert table.loc["image", ["accuracy", "coverage"]].tolist() == [0.5, 0.0]
    assert table.loc["caption", ["accuracy", "coverage", "precision"]].tolist() == [0.5, 1.0, 0.5]
    assert np.isnan(table.loc["image", "precision"])


def label_file(path, rows, annotator):
    table = pd.DataFrame(rows, columns=["id", "label"]).assign(annotator=annotator, time="")
    labels.write_labels(table, path)


def test_annotators_replace_the_gold_labels(toy, tmp_path):
    pairs = toy[0].assign(label="/s/sky")
    label_file(tmp_path / "ann.csv", [("0001", "/b/bridge"), ("0002", "none")], "ann")
    label_file(tmp_path / "bob.csv", [("0001", "/b/bridge"), ("0002", "/s/sky")], "bob")
    table, judgements = inputs.judged(pairs, tmp_path, str(tmp_path))
    answer = table.set_index("id")["label"]
    assert answer[["0000", "0001", "0002"]].tolist() == ["", "/b/bridge", "none"]
    assert judging.agreement(judgements)["n"].tolist() == [2]


def test_a_second_gold_file_is_compared_and_changes_nothing(toy, tmp_path):
    pairs, _ = toy
    label_file(tmp_path / "gold_second.csv", [("0001", "none"), ("gone", "none")], "second")
    table, judgements = inputs.judged(pairs, tmp_path)
    assert table["label"].equals(pairs["label"])
    assert judgements["annotator"].value_counts().to_dict() == {"gold": N, "second": 1}


def test_bad_label_folders_are_named(toy, tmp_path):
    with pytest.raises(ValueError, match="holds no annotator's CSV file"):
        inputs.judged(toy[0], tmp_path, str(tmp_path))
    label_file(tmp_path / "ann.csv", [("nobody", "none")], "ann")
    with pytest.raises(ValueError, match="post nobody is judged but is not in the pairs"):
        inputs.judged(toy[0], tmp_path, str(tmp_path))


def test_pairs_without_embeddings_are_refused():
    with pytest.raises(ValueError, match="pairs and embeddings belong together"):
        inputs.load("profiles/smoke.yaml", SETTINGS, pairs="data/pairs.parquet")

"""Training of pair classifiers: what published code got wrong, and what a run must never do."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from fnd_world import make_inputs
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score

from lib import params
from lib.fnd import training
from lib.fnd.baselines import PSEUDO
from lib.fnd.inputs import SWAPS
from lib.fnd.model import descent
from lib.fnd.model.feed import Feed, means
from lib.fnd.model.saving import CONFIG, WEIGHTS, ModelError
from lib.fnd.model.settings import FndClipTraining, Override, with_own
from lib.fnd.systems import SYSTEMS
from lib.training import TrainSettings

SHORT = TrainSettings(epochs=3, lr=1e-4, lr_new=3e-3, weight_decay=0.01, patience=9)
SETTINGS = FndClipTraining(clips=("clip_l",), batch=32, train=SHORT, members=2)


@pytest.fixture(scope="module")
def inputs():
    return make_inputs()


def fitted(name, inputs, seed=0, settings=SETTINGS, **options):
    return training.run(SYSTEMS[name], inputs, seed, settings, **options)


def weights_of(one):
    return {
        f"{number}.{name}": value
        for number, member in enumerate(one.members)
        for name, value in member.state_dict().items()
    }


def equal(one, other):
    first, second = weights_of(one), weights_of(other)
    return list(first) == list(second) and all(torch.equal(first[k], second[k]) for k in first)


# Defects of published code


def test_there_is_one_sigmoid(inputs):
    """A second one would put every score in (.5, .731): all articles biased."""
    made = fitted("fnd_clip", inputs, settings=replace(SETTINGS, train=replace(SHORT, epochs=8)))
    rows = inputs.rows("test")
    feed = Feed(inputs, made.system.needs, rows, made.fill, "cpu")
    logits = descent.outputs_of(made.members[0], feed)["logit"]
    score = made.predict(inputs, rows).score
    np.testing.assert_allclose(score, 1 / (1 + np.exp(-logits)), rtol=1e-5)
    assert score.min() < 0.5 < score.max()


def test_a_name_that_does_not_fit_is_an_error(inputs, tmp_path):
    """strict=False left what was named otherwise random, without a word."""
    made = fitted("text_only", inputs)
    made.save(tmp_path / "m", inputs)
    tensors = load_file(tmp_path / "m" / WEIGHTS)
    name = next(key for key in tensors if key.endswith("output.weight"))
    renamed = {key.replace("output", "classifier"): value for key, value in tensors.items()}
    shorter = tensors | {name: tensors[name][:, :-1].contiguous()}
    extra = tensors | {"0.clip.weight": torch.zeros(1)}
    for changed, said in (
        (renamed, "tensors are missing, such as 0.output"),
        (extra, "tensors have no place, such as 0.clip.weight"),
        (shorter, "has shape"),
    ):
        save_file(changed, tmp_path / "m" / WEIGHTS)
        with pytest.raises(ModelError, match=said) as caught:
            training.load(tmp_path / "m", inputs)
        assert "\n" not in str(caught.value)


def test_a_saved_system_predicts_the_same(inputs, tmp_path):
    rows = inputs.rows("test")
    for name in ("fnd_clip", "nmb_teacher", "gated_interaction"):
        made = fitted(name, inputs)
        made.save(tmp_path / name, inputs)
        again = training.load(tmp_path / name, inputs)
        assert equal(made, again)
        assert again.temperature == made.temperature
        np.testing.assert_array_equal(
            made.predict(inputs, rows).score, again.predict(inputs, rows).score
        )
    assert not list(tmp_path.rglob("*.p*t*"))  # no pickle


def test_other_towers_and_a_turned_polarity_are_refused(inputs, tmp_path):
    made = fitted("text_only", inputs)
    made.save(tmp_path / "m", inputs)
    other = replace(inputs, names=dict(inputs.names) | {"bert": "roberta"})
    with pytest.raises(ModelError, match="trained on bert: words"):
        training.load(tmp_path / "m", other)
    wide = replace(
        inputs, features=dict(inputs.features) | {"clip_text": np.zeros((200, 9), np.float16)}
    )
    with pytest.raises(ModelError, match=r"clip_text: trained on rows of shape \(8,\)"):
        training.load(tmp_path / "m", wide)
    file = tmp_path / "m" / CONFIG
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | {"positive": {"label": 0, "name": "Unlikely"}}))
    with pytest.raises(ModelError, match="positive: must be"):
        training.load(tmp_path / "m", inputs)


def test_a_score_is_the_probability_of_label_one(inputs):
    """sklearn's LabelEncoder made Unlikely the positive class."""
    rows = inputs.rows("test")
    for name in ("text_only", "similarity_logistic", "similarity_forest", "fnd_clip"):
        settings = replace(SETTINGS, train=replace(SHORT, epochs=10))
        score = fitted(name, inputs, settings=settings).predict(inputs, rows).score
        assert roc_auc_score(inputs["label"][rows], score) > 0.7, name


@pytest.mark.parametrize("wrong", [-1, 2])
def test_labels_other_than_zero_and_one_are_refused(inputs, wrong):
    label = inputs["label"].copy()
    label[0] = wrong
    other = replace(inputs, columns=dict(inputs.columns) | {"label": label})
    with pytest.raises(ValueError, match="story split train: labels must be 0 and 1, found"):
        fitted("text_only", other)


def test_evaluation_draws_nothing_at_random(inputs):
    """No dropout and no random picture of a list: the same scores, whatever the generator."""
    made = fitted("gated_interaction", inputs)
    first = made.predict(inputs, inputs.rows("test"))
    torch.manual_seed(99)
    made.members[0].train()
    second = made.predict(inputs, inputs.rows("test"))
    np.testing.assert_array_equal(first.score, second.score)


def test_a_score_does_not_depend_on_the_rows_beside_it(inputs):
    made = fitted("fnd_clip_author", inputs)
    rows = inputs.rows("test")
    whole = made.predict(inputs, rows)
    for place in (0, 7):
        alone = made.predict(inputs, rows[place : place + 1])
        assert alone.score[0] == pytest.approx(whole.score[place], abs=1e-6)
    turned = made.predict(inputs, rows[::-1])
    np.testing.assert_allclose(turned.score[::-1], whole.score, atol=1e-6)


def test_every_run_begins_with_new_weights(inputs):
    """The text models of NMB+ were made once, and later folds had seen their validation rows."""
    assert equal(fitted("text_only", inputs), fitted("text_only", inputs))
    assert not equal(fitted("text_only", inputs), fitted("text_only", inputs, seed=1))


# Selection


@pytest.mark.parametrize("name", ["fnd_clip", "gated_interaction", "bert_resnet_tuned"])
def test_selection_never_sees_the_test_split(inputs, name):
    """Labels and features of test rows may be anything: the same weights come out."""
    rows = inputs.rows("test")
    rng = np.random.default_rng(0)
    label = inputs["label"].copy()
    label[rows] = rng.permutation(1 - label[rows])
    features = dict(inputs.features)
    for key in ("bert_last", "bert_chunks", "clip_text", "clip_image", "resnet_image"):
        features[key] = features[key].copy()
        features[key][rows] = 7.0
    other = replace(inputs, features=features, columns=dict(inputs.columns) | {"label": label})
    one, two = fitted(name, inputs), fitted(name, other)
    assert equal(one, two)
    assert one.temperature == two.temperature
    assert one.history == two.history


def test_validation_decides_which_epoch_is_kept(inputs, monkeypatch):
    scores = iter([0.5, 0.9, 0.6, 0.7])
    seen = []

    def validate(model, feed, labels, select):
        seen.append({key: value.clone() for key, value in model.state_dict().items()})
        return next(scores)

    monkeypatch.setattr(descent, "_validate", validate)
    settings = replace(SETTINGS, train=replace(SHORT, epochs=9, patience=2))
    made = fitted("fnd_clip", inputs, settings=settings)
    assert [row["validation"] for row in made.history] == [0.5, 0.9, 0.6, 0.7]
    best = made.members[0].state_dict()
    assert all(torch.equal(best[key], seen[1][key]) for key in best)  # statistics of norms too


def test_the_protocol_chooses_the_rows(inputs, monkeypatch):
    rows = {}
    whole = training.Feed

    def feed(inputs, needs, wanted, *others):
        rows.setdefault("feeds", []).append(wanted)
        return whole(inputs, needs, wanted, *others)

    monkeypatch.setattr(training, "Feed", feed)
    fitted("text_only", inputs, protocol="outlet")
    for got, split in zip(rows["feeds"], ("train", "validation"), strict=True):
        assert (inputs["split_outlet"][got] == split).all()
        assert len(got) == (inputs["split_outlet"] == split).sum()


# Resuming


@pytest.mark.parametrize("name", ["fnd_clip", "bert_resnet_tuned"])
def test_a_killed_run_ends_with_the_same_bytes(inputs, tmp_path, monkeypatch, name):
    settings = replace(SETTINGS, checkpoints=True)
    whole = fitted(name, inputs, settings=settings)
    validate, calls = descent._validate, []

    def dies(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return validate(*arguments)

    monkeypatch.setattr(descent, "_validate", dies)
    with pytest.raises(KeyboardInterrupt):
        fitted(name, inputs, settings=settings, checkpoint=tmp_path / "x.ckpt")
    assert len(list(tmp_path.iterdir())) == 1
    torch.manual_seed(5)
    again = fitted(name, inputs, settings=settings, checkpoint=tmp_path / "x.ckpt")
    assert len(calls) == 4  # one epoch was left to run
    assert equal(whole, again)
    assert whole.history == again.history
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_other_data_is_not_gone_on_from(inputs, tmp_path, monkeypatch):
    settings = replace(SETTINGS, checkpoints=True)
    with monkeypatch.context() as patch:
        patch.setattr(descent, "_validate", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fitted("text_only", inputs, settings=settings, checkpoint=tmp_path / "x.ckpt")
    validate = descent._validate
    done = []

    def dies(*arguments):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return validate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(descent, "_validate", dies)
        with pytest.raises(KeyboardInterrupt):
            fitted("text_only", inputs, settings=settings, checkpoint=tmp_path / "x.ckpt")
    other = make_inputs(seed=1)
    one = fitted("text_only", other, settings=settings, checkpoint=tmp_path / "x.ckpt")
    assert equal(one, fitted("text_only", other, settings=settings))


# Loss, calibration, what is missing


def test_classes_weigh_the_same(inputs):
    assert float(descent._positive_weight(torch.tensor([1.0, 1, 1, 0]))) == pytest.approx(1 / 3)
    label = inputs["label"].copy()
    train = inputs.rows("train")
    ones = train[label[train] == 1]
    label[ones[5:]] = 0  # five positives
    rare = replace(inputs, columns=dict(inputs.columns) | {"label": label})
    means_of = {}
    for weighted in (True, False):
        settings = replace(SETTINGS, class_weights=weighted, train=replace(SHORT, epochs=10))
        made = fitted("article_first", rare, settings=settings)
        means_of[weighted] = made.predict(rare, train).score.mean()
    assert means_of[True] > means_of[False] + 0.05


def test_the_temperature_is_the_one_that_was_planted():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=20_000) * 2
    labels = rng.random(20_000) < 1 / (1 + np.exp(-logits))
    assert training.temperature_of(logits * 3, labels) == pytest.approx(3, rel=0.05)


def test_an_ensemble_averages_its_members_and_divides_by_one_temperature(inputs):
    made = fitted("gated_interaction", inputs)
    rows = inputs.rows("test")
    assert len(made.members) == 2
    feed = Feed(inputs, made.system.needs, rows, made.fill, "cpu")
    logits = [descent.outputs_of(one, feed)["logit"] for one in made.members]
    assert not np.allclose(*logits)
    wanted = 1 / (1 + np.exp(-np.mean(logits, 0) / made.temperature))
    np.testing.assert_allclose(made.predict(inputs, rows).score, wanted, rtol=1e-5)


def test_a_missing_picture_counts_as_the_mean_of_training_pictures(inputs):
    rows = inputs.rows("train")
    fill = means(inputs, ("clip_image", "bert_chunks"), rows)
    there = rows[rows != 3]
    wanted = inputs["clip_image"][there].astype(np.float64).mean(0)
    np.testing.assert_allclose(fill["clip_image"], wanted, rtol=1e-5)
    feed = Feed(inputs, ("clip_image",), np.array([2, 3]), fill, "cpu")
    got = feed.take(np.array([1, 0]))["clip_image"].numpy()
    np.testing.assert_array_equal(got[0], fill["clip_image"])
    np.testing.assert_array_equal(got[1], inputs["clip_image"][2].astype(np.float32))


def test_a_system_without_its_arrays_says_which(inputs):
    bare = replace(inputs, features={k: v for k, v in inputs.features.items() if "image" not in k})
    assert bare.lacks(SYSTEMS["text_only"]) == ""
    assert bare.lacks(SYSTEMS["fnd_clip"]) == "clip_image, resnet_image"
    with pytest.raises(ValueError, match="fnd_clip: there is no clip_image, resnet_image"):
        fitted("fnd_clip", bare)


def test_the_teacher_is_dropped_after_training(inputs):
    made = fitted("nmb_teacher", inputs)
    assert made.members[0].teacher is None
    free = replace(SETTINGS, teacher_weight=0.0)
    assert not equal(made, fitted("nmb_teacher", inputs, settings=free))
    blind = replace(
        inputs, features={k: v for k, v in inputs.features.items() if not k.startswith("clip")}
    )
    rows = inputs.rows("test")
    np.testing.assert_array_equal(made.predict(blind, rows).score, made.predict(inputs, rows).score)


@pytest.mark.parametrize("name", ["nmb_teacher", "fnd_clip", "bert_resnet_tuned"])
def test_half_precision_trains_too(inputs, name):
    half = replace(SETTINGS, train=replace(SHORT, epochs=1, precision="amp_bf16"))
    made = fitted(name, inputs, settings=half)
    full = fitted(name, inputs, settings=replace(half, train=replace(SHORT, epochs=1)))
    rows = inputs.rows("test")
    scores = [one.predict(inputs, rows).score for one in (made, full)]
    assert scores[0].dtype == np.float32
    np.testing.assert_allclose(*scores, atol=0.05)


# Batches, swaps, baselines


def test_articles_of_similar_length_share_a_batch(inputs):
    needs = SYSTEMS["bert_resnet_tuned"].needs
    rows = inputs.rows("train")
    feed = Feed(inputs, needs, rows, means(inputs, needs, rows), "cpu")
    batches = list(feed.epoch(8, np.random.default_rng(0)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(rows)))
    assert max(map(len, batches)) <= 8
    spread = np.mean([np.ptp(feed.lengths[one]) for one in batches])
    assert spread < 2 < np.ptp(feed.lengths)
    batch = feed.take(batches[0])
    assert batch["bert_tuned"].shape[1] == int(batch["bert_tuned_count"].max())


@pytest.mark.parametrize("kind", SWAPS)
def test_a_swap_changes_one_modality_of_every_row(inputs, kind):
    changed = inputs.swap(kind, 0)
    modality = kind.split("_")[0]
    for name in ("clip_image", "bert_last", "resnet_image_tuned", "clip_text"):
        own = modality == ("image" if "image" in name else "text")
        before, after = inputs[name], changed[name]
        if not own:
            assert after is before
        elif kind.endswith("dropped"):
            assert np.isnan(after).all()
        else:
            same = (before == after).reshape(len(before), -1).all(1)
            assert same.sum() <= 1  # of the rows without a picture, say
    made = fitted("fnd_clip", inputs)
    rows = inputs.rows("test")
    assert np.isfinite(made.predict(changed, rows).score).all()
    assert not np.allclose(made.predict(changed, rows).score, made.predict(inputs, rows).score)


def test_swapped_rows_come_from_another_story_of_the_same_split(inputs):
    ids = replace(inputs, features={"clip_text": np.arange(200)[:, None].astype(np.float16)})
    other = ids.swap("text_shuffled", 3)["clip_text"][:, 0].astype(int)
    assert sorted(other.tolist()) == list(range(200))
    assert (inputs["group"][other] != inputs["group"]).all()
    assert (inputs["split"][other] == inputs["split"]).all()


def test_baselines_are_what_their_names_say(inputs):
    rows, train = inputs.rows("test"), inputs.rows("train")
    label = inputs["label"][train]
    assert (fitted("always_positive", inputs).predict(inputs, rows).score == 1).all()
    assert set(fitted("majority", inputs).predict(inputs, rows).score) == {np.float32(label.mean())}
    unseen = replace(inputs, columns=dict(inputs.columns) | {"outlet": np.full(200, "new", object)})
    made = fitted("outlet_only", inputs)
    assert set(made.predict(unseen, rows).score) == {np.float32(label.mean())}
    own = label[inputs["outlet"][train] == "outlet 1"]
    share = (own.sum() + PSEUDO * label.mean()) / (len(own) + PSEUDO)
    first = rows[inputs["outlet"][rows] == "outlet 1"]
    assert made.predict(inputs, first).score[0] == pytest.approx(share)
    with pytest.raises(ValueError, match="majority: a baseline has no weights"):
        fitted("majority", inputs).save(None, inputs)


def test_what_a_system_has_of_its_own(tmp_path):
    own = (Override("spotfake_plus", lr=0.5, dropout=0.1, width=0.1, epochs=2, batch=7),)
    settings = replace(SETTINGS, own=own)
    system, changed = with_own(SYSTEMS["spotfake_plus"], settings)
    assert dict(system.towers)["text"].dense.widths == (100, 50, 10)
    assert (system.head.widths, system.head.dropout) == ((20, 10, 5), 0.1)
    assert (changed.train.lr_new, changed.train.epochs, changed.batch) == (0.5, 2, 7)
    assert with_own(SYSTEMS["fnd_clip"], settings) == (SYSTEMS["fnd_clip"], settings)
    learning, _ = with_own(
        SYSTEMS["distilroberta_clip"], replace(SETTINGS, tuned=("distilroberta_clip",))
    )
    assert learning.needs == ("clip_image", "distilroberta_tuned")
    learning, _ = with_own(SYSTEMS["nmb_teacher"], replace(SETTINGS, tuned=("nmb_teacher",)))
    assert learning.needs == ("bert_tuned", "clip_image", "clip_text", "resnet_image_tuned")
    file = tmp_path / "c.yaml"
    for text, said in (
        ("{clips: [a], systems: [trubias]}", "systems: 'trubias' is not one of"),
        ("{clips: [a], own: [{system: x, lr: 0.1}]}", "own: 'x' is no system"),
        ("{clips: []}", "clips: one or two"),
        ("{clips: [a], protocols: [time]}", "protocols: 'time'"),
        ("{clips: [a], train: {epochs: 0}}", "epochs: must be at least 1"),
    ):
        file.write_text(f"fnd_clip_training: {text}\n")
        with pytest.raises(params.ParamsError, match=said):
            params.load(file, "fnd_clip_training", FndClipTraining)

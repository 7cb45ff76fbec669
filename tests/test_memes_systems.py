"""Every system of the memes study: what it sees, what it does not, and what it learns."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from lib.memes.draws import Draw
from lib.memes.scores import macro_auc
from lib.memes.systems import SYSTEMS, Inputs, Settings, build, fit_seeds, gamma_sweep
from lib.memes.systems import cooking as kitchen

D = 10
OURS = [name for name, system in SYSTEMS.items() if system.kind != "rival"]
base = Settings()
QUICK = replace(
    base,
    autoencoder=replace(base.autoencoder, epochs=3, batch=100, lr=3e-3),
    head=replace(base.head, epochs=3, batch=40, lr=1e-2, hidden=8),
    cmml=replace(base.cmml, epochs=3, batch=100, lr=1e-2, hidden=8, words_hidden=6),
    ssl=replace(base.ssl, unlabelled_batch=40, threshold=0.6, teacher_weight=1.0, teacher_ema=0.5),
    probes=replace(base.probes, linear_c=0.1),
)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fit(system, inputs, draw, seed, settings):
    return fit_seeds(system, inputs, draw, [seed], settings)[0]


def memes(rows=520, seed=0) -> Inputs:
    rng = np.random.default_rng(seed)
    image, text = rng.standard_normal((2, rows, D)).astype(np.float32)
    text[:, 5:] += image[:, 5:]
    seen = np.stack(
        [image[:, 0], text[:, 1], image[:, 2] + text[:, 2], text[:, 3] - image[:, 3]], 1
    )
    types = (seen > [0.6, 0.4, 0.8, 1.0]).astype(int)
    targets = np.concatenate([types.max(1, keepdims=True), types], axis=1)
    split = np.array(["train"] * 300 + ["validation"] * 100 + ["test"] * (rows - 400))
    extra = {"picture": image, "words": (text > 0.5).astype(np.uint8)}
    return Inputs(image, text, targets, split, np.arange(rows), extra)


@pytest.fixture(scope="module")
def inputs():
    return memes()


@pytest.fixture(scope="module")
def draw(inputs):
    return inputs.draw(0.3)


@pytest.fixture(scope="module")
def trained(inputs, draw):
    return {name: fit(SYSTEMS[name], inputs, draw, 42, QUICK) for name in OURS}


@pytest.mark.parametrize("name", OURS)
def test_scores_are_probabilities_of_all_rows_and_the_same_again(name, inputs, draw, trained):
    system, found = SYSTEMS[name], trained[name]
    assert found.scores.shape == (520, system.outputs)
    assert found.scores.dtype == np.float32
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    again = fit(system, memes(), draw, 42, QUICK)
    assert again.scores.tobytes() == found.scores.tobytes()
    assert again.history == found.history
    if system.kind in ("head", "cmml") or system.seeds == "other":
        assert [entry["epoch"] for entry in found.history] == [1, 2, 3]
        last = inputs.judge(found.scores[inputs.validation])
        assert found.history[-1]["auc"] == pytest.approx(last["auc"], abs=1e-6)
        assert found.parameters > 0
        other = fit(system, inputs, draw, 43, QUICK)
        assert not np.array_equal(other.scores, found.scores)


@pytest.mark.parametrize("name", OURS)
def test_hidden_labels_teach_nothing(name, inputs, draw, trained):
    rng = np.random.default_rng(1)
    targets = inputs.targets.copy()
    for rows in (draw.unlabelled, inputs.rows("validation"), inputs.rows("test")):
        targets[rows] = targets[rng.permutation(rows)]
    other = Inputs(inputs.image, inputs.text, targets, inputs.split, inputs.group, inputs.extra)
    found = fit(SYSTEMS[name], other, draw, 42, QUICK)
    assert found.scores.tobytes() == trained[name].scores.tobytes()
    targets[inputs.rows("validation")] = inputs.targets[inputs.rows("validation")]
    same = Inputs(inputs.image, inputs.text, targets, inputs.split, inputs.group, inputs.extra)
    assert fit(SYSTEMS[name], same, draw, 42, QUICK).history == trained[name].history


@pytest.mark.parametrize("name", ["raw_n_cook", "cmml_clip", "mean_teacher", "svm_rbf"])
def test_known_labels_teach(name, inputs, draw):
    settings = replace(
        QUICK,
        head=replace(QUICK.head, epochs=25),
        cmml=replace(QUICK.cmml, epochs=25, batch=40),
        step_gamma={0.3: 0.97},
    )
    scores = fit(SYSTEMS[name], inputs, draw, 42, settings).scores[inputs.rows("test"), -4:]
    assert macro_auc(inputs.targets[inputs.rows("test"), 1:], scores) > 0.75
    targets = inputs.targets.copy()
    targets[draw.labelled] = np.random.default_rng(2).permutation(targets[draw.labelled])
    other = Inputs(inputs.image, inputs.text, targets, inputs.split, inputs.group, inputs.extra)
    scores = fit(SYSTEMS[name], other, draw, 42, settings).scores[inputs.rows("test"), -4:]
    assert macro_auc(inputs.targets[inputs.rows("test"), 1:], scores) < 0.65


def test_only_those_that_say_so_read_unlabelled_rows(inputs, draw, trained):
    rows = np.concatenate([draw.unlabelled])
    image, text = inputs.image.copy(), inputs.text.copy()
    image[rows], text[rows] = 5 * image[rows] ** 3, -text[rows][:, ::-1]
    extra = {"picture": image, "words": (text > 0.5).astype(np.uint8)}
    other = Inputs(image, text, inputs.targets, inputs.split, inputs.group, extra)
    test = inputs.rows("test")
    for name in OURS:
        if SYSTEMS[name].kind == "probe":
            continue  # they are scaled over all training rows
        scores = fit(SYSTEMS[name], other, draw, 42, QUICK).scores[test]
        assert np.array_equal(scores, trained[name].scores[test]) != SYSTEMS[name].unlabelled, name


@pytest.mark.parametrize("name", ["raw_n_cook_db", "cmml_clip", "fixmatch", "freematch"])
def test_seeds_side_by_side_are_seeds_alone(name, inputs, draw, trained):
    found = fit_seeds(SYSTEMS[name], inputs, draw, [41, 42, 43], QUICK)
    assert len(found) == 3
    np.testing.assert_allclose(found[1].scores, trained[name].scores, atol=2e-5)
    assert found[1].history[-1]["loss"] == pytest.approx(
        trained[name].history[-1]["loss"], abs=1e-4
    )
    assert np.abs(found[0].scores - found[1].scores).max() > 0.01


def test_auto_encoders_are_trained_once_a_draw(draw, monkeypatch):
    inputs, calls = memes(), []
    monkeypatch.setattr(
        kitchen, "fit_pair", lambda *a, real=kitchen.fit_pair: calls.append(len(a[0])) or real(*a)
    )
    for name in ("raw_n_cook", "raw_n_cook_bce", "cook_residual", "cook_activated", "cook_ridge"):
        fit(SYSTEMS[name], inputs, draw, 42, QUICK)
    assert calls == [210]  # the unlabelled rows
    fit(SYSTEMS["raw_n_cook"], inputs, inputs.draw(0.1), 42, QUICK)
    assert calls == [210, 270]


def test_errors_of_the_maps(inputs, draw):
    settings = replace(QUICK, autoencoder=replace(QUICK.autoencoder, epochs=30))
    found = kitchen.errors(inputs, draw, settings).set_index(["direction", "map", "split"])["mse"]
    assert len(found) == 2 * 3 * 3
    for way in ("image -> text", "text -> image"):
        assert found[way, "ridge", "unlabelled"] < found[way, "mean", "unlabelled"]
        assert found[way, "auto-encoder", "test"] < found[way, "mean", "test"]
    rows, mean = inputs.rows("test"), inputs.text[draw.unlabelled].mean(0)
    expected = ((inputs.text[rows] - mean) ** 2).mean()
    assert found["image -> text", "mean", "test"] == pytest.approx(expected, rel=1e-5)


def test_cooked_blocks(inputs, draw):
    foretold, left = (
        kitchen.cooked(name, inputs, draw, QUICK) for name in ("ridge", "ridge_residual")
    )
    torch.testing.assert_close(foretold[0] + left[0], inputs.tensor("text"))
    torch.testing.assert_close(foretold[1] + left[1], inputs.tensor("image"))
    names = ("image", "text", "linear", "residual", "picture")
    assert len(kitchen.blocks(names, inputs, draw, QUICK)) == 7
    with pytest.raises(ValueError, match=r"^features: 'sound' is none of image, text, picture"):
        kitchen.blocks(["sound"], inputs, draw, QUICK)


def test_the_table_has_the_papers_systems():
    named = {s.paper for s in SYSTEMS.values()} - {""}
    ablation = {"w/o CROM-AE encoders", "w/o DB loss", "w/o DB loss + CROM-AE encoders"}
    others = {"CMML origin", "CMML-CLIP", "TIB-VA", "VisualBERT", "Extpienet", "ViLT", "Lxmert"}
    assert named == {"Ours"} | ablation | others
    assert len({s.label for s in SYSTEMS.values()}) == len(SYSTEMS)
    main = {name for name, s in SYSTEMS.items() if s.seeds == "main"}
    assert {s.name for s in SYSTEMS.values() if s.paper in ablation | {"Ours", "CMML-CLIP"}} <= main
    swept = gamma_sweep((0.85, 1.0), (0.0, 1.0))
    assert [s.variant for s in swept] == [
        "step_gamma=0.85", "step_gamma=1", "focal_gamma=0", "focal_gamma=1",
    ]  # fmt: skip
    assert {s.loss for s in swept[2:]} == {"db_focal_paper"}


def test_sweeps_change_what_they_say(inputs, draw, trained):
    steps = gamma_sweep((QUICK.gamma(draw), 0.3), (2.0, 0.0))
    found = [fit(system, inputs, draw, 42, QUICK).scores for system in steps]
    for place, name in ((0, "raw_n_cook"), (2, "raw_n_cook_db")):
        np.testing.assert_array_equal(found[place], trained[name].scores)
        assert not np.array_equal(found[place + 1], trained[name].scores)


def test_step_gamma_goes_with_the_share_of_labels(inputs):
    assert [base.gamma(inputs.draw(r)) for r in (0.3, 0.1, 0.05)] == [0.85, 0.9, 0.93]
    assert base.head_of(inputs.draw(0.1)).step_gamma == 0.9


def test_a_label_that_nobody_has_is_given_to_nobody(draw):
    inputs = memes()
    inputs.targets[draw.labelled, 4] = 0
    for name in ("linear", "svm_rbf", "knn", "label_propagation", "raw_n_cook"):
        scores = fit(SYSTEMS[name], inputs, draw, 42, QUICK).scores
        assert np.isfinite(scores).all()
        assert name == "raw_n_cook" or scores[:, -1].max() == 0


def test_inputs_of_a_table():
    table = pd.DataFrame({name: [0, 1, 0, 1] for name in
        ("misogynous", "shaming", "stereotype", "objectification", "violence")})  # fmt: skip
    table = table.assign(id=list("abcd"), group=list("wxyz"))
    image, text = np.ones((4, 3), np.float16), np.ones((4, 3), np.float16)
    image[1], image[3] = 3, np.nan
    split = ["train", "train", "validation", "test"]
    inputs = build(table, image, text, split)
    assert inputs.image.dtype == np.float32
    assert inputs.image[3].tolist() == [2, 2, 2]  # the mean training picture
    table.loc[3, "shaming"] = -1
    build(table, image, text, split)
    table.loc[2, "shaming"] = -1
    with pytest.raises(ValueError, match=r"^targets: row 2 \(c\) has no label"):
        build(table, image, text, split)


def test_bad_input_is_named(inputs, draw):
    wrong = Draw(inputs.rows("test")[:5], draw.unlabelled)
    with pytest.raises(ValueError, match=r"^draw: labelled rows must be training rows"):
        fit(SYSTEMS["raw_only"], inputs, wrong, 42, QUICK)
    with pytest.raises(ValueError, match=r"^text: 5 rows, but split has 520"):
        replace(inputs, text=inputs.text[:5])
    bad = inputs.image.copy()
    bad[2, 0] = np.nan
    with pytest.raises(ValueError, match=r"^image: row 2 is not finite"):
        replace(inputs, image=bad)
    with pytest.raises(ValueError, match=r"^step_gamma: "):
        replace(base, step_gamma={0.3: 2.0}).validate()
    for key, value in (("threshold", 0.4), ("drop", 1.0), ("neighbours", 0), ("noise", -1.0)):
        with pytest.raises(ValueError, match=f"^{key}: "):
            replace(base.ssl, **{key: value}).validate()

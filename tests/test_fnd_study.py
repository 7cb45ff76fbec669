"""The study's runs: what is trained, on which rows, and that a killed one goes on."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fnd_world import make_inputs

from lib.fnd import FILES, OUTLET, PERTURB, STORY, findings, study, training
from lib.fnd.model.settings import Override
from lib.fnd.study import FndStudy, runs, search
from lib.fnd.systems import SYSTEMS
from lib.fnd.training import FndClipTraining
from lib.training import TrainSettings

NAMES = ("majority", "outlet_only", "text_only", "image_only", "fnd_clip")
TRAIN = TrainSettings(epochs=1, lr=1e-3, lr_new=1e-3, patience=1)
SETTINGS = FndClipTraining(systems=NAMES, seeds=(0, 1), outlet_systems=("text_only",),
                           clips=("tiny",), batch=32, train=TRAIN)  # fmt: skip
PLAN = FndStudy(learning_systems=("text_only",), shares=(0.5,), swaps=("image_swapped",))


@pytest.fixture(scope="module")
def inputs():
    made = make_inputs(120)
    rows = np.flatnonzero(made["split"] == "test")[:8]
    other = {"clip_image": made["clip_image"][rows] * 0}
    return replace(made, changed={"blur": (rows, other)})


def run(inputs, folder, settings=SETTINGS, plan=PLAN):
    cache = runs.Cache(folder / "runs", [], settings, plan)
    leaks = pd.DataFrame({"check": ["none"]})
    return study.run(inputs, settings, plan, cache, folder / "models", leaks), cache


@pytest.fixture(scope="module")
def made(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return *run(inputs, folder), folder


def test_runs_are_seeds_protocols_and_shares():
    systems = [SYSTEMS[name] for name in NAMES]
    names = [one.name for one in runs.planned(systems, SETTINGS, PLAN, {})]
    assert len(names) == len(set(names))
    assert "outlet-majority-0" in names  # trivial rules stand in every protocol
    assert "story-majority-1" not in names  # and need one seed
    assert {"outlet-text_only-1", "story-text_only-1-0.5"} <= set(names)
    assert not any(name.startswith("outlet-fnd_clip") for name in names)


def test_predictions_hold_every_way_of_asking(made, inputs):
    table = made[0].predictions
    assert findings.defects(table) == []
    assert set(table["variant"]) == {"", "share:0.5", "swap:image_swapped", f"{PERTURB}blur"}
    test = table.query("variant == '' and split == 'test' and protocol == 'story'")
    assert set(test["id"]) == set(inputs["id"][inputs.rows("test")])
    truth = dict(zip(inputs["id"], inputs["label"], strict=True))
    assert (test["id"].map(truth) == test["y_true"]).all()
    blurred = table[table["variant"] == f"{PERTURB}blur"]
    assert set(blurred["id"]) == set(inputs["id"][inputs.changed["blur"][0]])
    assert "majority" not in set(blurred["system"])  # looks at nothing


def test_a_swap_of_pictures_changes_only_who_looks_at_them(made):
    table = made[0].predictions.query("split == 'test' and protocol == 'story'")
    wide = table.pivot_table("score", "id", ["system", "variant", "seed"])
    same = {
        name: np.allclose(wide[name, "", 0], wide[name, "swap:image_swapped", 0])
        for name in ("text_only", "image_only", "fnd_clip")
    }
    assert same == {"text_only": True, "image_only": False, "fnd_clip": False}


def test_attention_is_of_systems_that_have_it(made):
    table = made[0].attention
    assert set(table["system"]) == {"fnd_clip"}
    assert table[["text", "image", "mixed"]].to_numpy().min() > 0
    assert table["similarity"].between(-1, 1).all()


def test_a_killed_study_goes_on(made, inputs, monkeypatch):
    first, cache, folder = made
    assert len(list(cache.folder.iterdir())) >= 8

    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(runs, "run", refuse)
    again, _ = run(inputs, folder)
    pd.testing.assert_frame_equal(first.predictions, again.predictions)
    other = replace(SETTINGS, batch=16)  # other settings, other runs
    with pytest.raises(AssertionError, match="trained again"):
        run(inputs, folder, other)


def test_weights_that_were_removed_are_made_again(inputs, tmp_path):
    settings = replace(SETTINGS, systems=("fnd_clip",), seeds=(0,), protocols=(STORY,))
    first, _ = run(inputs, tmp_path, settings)
    shutil.rmtree(tmp_path / "models")
    again, _ = run(inputs, tmp_path, settings)
    assert (tmp_path / "models" / "fnd_clip" / "seed0").is_dir()
    pd.testing.assert_frame_equal(first.predictions, again.predictions)


def test_every_network_without_a_rate_of_its_own_tries_the_same_rates():
    systems = [SYSTEMS[name] for name in NAMES]
    settings = replace(SETTINGS, rates=(1e-4, 1e-2), own=(Override("image_only", lr=5e-3),))
    tried = [(one.system.name, one.lr, one.seed) for one in search.candidates(systems, settings)]
    assert tried == [(name, rate, 0) for name in ("text_only", "fnd_clip") for rate in (1e-4, 1e-2)]


def test_the_best_rate_on_validation_is_chosen_and_of_equals_the_smaller():
    def tried(name, lr, *scores):  # one score a member and epoch
        rows = [(member, score) for member, own in enumerate(scores) for score in own]
        history = pd.DataFrame(rows, columns=["member", "validation"])
        return runs.Run(SYSTEMS[name], STORY, 0, lr=lr), {"histories": history}

    table = search.choose([
        tried("text_only", 1e-2, [0.6, 0.7, 0.5]), tried("text_only", 1e-3, [0.7]),
        tried("gated_interaction", 1e-3, [0.9], [0.5]),
        tried("gated_interaction", 1e-2, [0.7], [0.8]),
    ])  # fmt: skip
    assert table["validation"].tolist() == pytest.approx([0.7, 0.7, 0.7, 0.75])
    assert search.rates(table) == {"text_only": 1e-3, "gated_interaction": 1e-2}


def test_the_chosen_rate_trains_every_run_and_test_labels_do_not_choose(inputs, tmp_path):
    settings = replace(SETTINGS, systems=("text_only",), seeds=(0, 1), rates=(1e-5, 1e-2))
    found, cache = run(inputs, tmp_path / "a", settings)
    [chosen] = found.search.query("chosen")["lr"]
    rate = f"-lr{chosen:g}"
    again, _ = run(
        inputs, tmp_path / "b", replace(settings, rates=(), train=replace(TRAIN, lr_new=chosen))
    )
    pd.testing.assert_frame_equal(found.predictions, again.predictions)
    assert again.search.empty
    assert {one.name for one in cache.folder.iterdir() if one.name.startswith("outlet")} == {
        f"outlet-text_only-{seed}{rate}" for seed in (0, 1)
    }
    label = inputs["label"].copy()
    label[inputs.rows("test")] = 1 - label[inputs.rows("test")]
    flipped = replace(inputs, columns=dict(inputs.columns) | {"label": label})
    other, _ = run(flipped, tmp_path / "c", settings)
    pd.testing.assert_frame_equal(found.search, other.search)


def test_only_the_chosen_rate_leaves_weights(inputs, tmp_path):
    settings = replace(SETTINGS, systems=("fnd_clip",), seeds=(0,), rates=(1e-5, 1e-2))
    found, _ = run(inputs, tmp_path, replace(settings, protocols=(STORY,)))
    loaded = training.load(tmp_path / "models" / "fnd_clip" / "seed0", inputs)
    rows = inputs.rows("test")
    table = found.predictions.query("split == 'test' and variant == ''").set_index("id")["score"]
    scores = loaded.predict(inputs, rows).score
    np.testing.assert_allclose(table[inputs["id"][rows]], scores, atol=1e-6)


def test_processes_do_not_change_a_byte(inputs, tmp_path):
    settings = replace(SETTINGS, systems=("text_only", "fnd_clip"), seeds=(0,), protocols=(STORY,))
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        study.write(run(inputs, folder, settings, replace(PLAN, workers=workers))[0], folder)
    for name in FILES:
        first, second = (tmp_path / side / f"{name}.parquet" for side in "12")
        assert first.read_bytes() == second.read_bytes()


def test_same_study_same_bytes(made, tmp_path):
    study.write(made[0], tmp_path / "a")
    study.write(made[0], tmp_path / "b")
    for name in FILES:
        first, second = (tmp_path / side / f"{name}.parquet" for side in "ab")
        assert first.read_bytes() == second.read_bytes()
    assert not list(tmp_path.rglob("*.part"))


def test_a_share_takes_whole_training_groups_and_nests(inputs):
    half, quarter = (runs.less(inputs, share, 3) for share in (0.5, 0.25))
    for split in ("validation", "test"):
        assert np.array_equal(half.rows(split), inputs.rows(split))
    kept, fewer = half.rows("train"), quarter.rows("train")
    assert set(fewer) <= set(kept) < set(inputs.rows("train"))
    groups = set(inputs["group"][kept])
    left_out = np.setdiff1d(inputs.rows("train"), kept)
    assert groups.isdisjoint(inputs["group"][left_out])


def test_no_test_label_reaches_a_score(inputs, made, tmp_path):
    flipped = inputs["label"].copy()
    test = inputs.rows("test")
    flipped[test] = 1 - flipped[test]
    other = replace(inputs, columns=dict(inputs.columns) | {"label": flipped})
    again, _ = run(other, tmp_path, replace(SETTINGS, systems=("fnd_clip",), protocols=(STORY,)))
    columns = ["id", "variant", "seed", "score"]
    before = made[0].predictions.query("system == 'fnd_clip'")[columns].reset_index(drop=True)
    after = again.predictions.query("protocol == 'story'")[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(before, after)


def test_systems_without_their_arrays_are_skipped_and_named(inputs, tmp_path):
    pictures = {name for name in inputs.features if "image" in name}
    texts = {name: a for name, a in inputs.features.items() if name not in pictures}
    made, _ = run(replace(inputs, features=texts, changed={}), tmp_path,
                  replace(SETTINGS, systems=("majority", "text_only", "fnd_clip")))  # fmt: skip
    assert set(made.systems["system"]) == {"majority", "text_only"}
    assert "clip_image" in made.skipped["fnd_clip"]
    assert OUTLET in set(made.predictions["protocol"])
    assert list((tmp_path / "models").iterdir()) == []  # there all the same: an output of the stage


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"swaps": ("text_swapped",)}, "swaps: 'text_swapped' is none of"),
        ({"shares": (0.5, 1.0)}, "shares: must be between 0 and 1"),
        ({"workers": 0}, "workers: must be at least 1, got 0"),
        ({"keep": ("majority",)}, "keep: 'majority' is a baseline"),
        ({"learning_systems": ("gpt",)}, "learning_systems: 'gpt' is no system"),
    ],
)
def test_a_wrong_setting_is_one_line(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PLAN, **change).validate()

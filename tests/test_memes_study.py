"""The study makes every run once, goes on after a kill, and gives the same bytes each time."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.data.readers.mami import LABELS, TYPES
from lib.memes import TRIVIAL, study
from lib.memes.nets.autoencoder import CromSettings
from lib.memes.nets.head import HeadSettings
from lib.memes.study import inputs as study_inputs
from lib.memes.study import links, opening, runs, separation
from lib.memes.study.inputs import READ, SslMemes, StudyInputs, with_copies
from lib.memes.systems import SYSTEMS, Inputs, Settings

KEPT = ("raw_n_cook", "raw_only", "raw_n_cook_five", "linear")
SMALL = Settings(autoencoder=CromSettings(epochs=2), head=HeadSettings(epochs=2, hidden=8))
PLAN = SslMemes(
    systems=SMALL, ratios=(0.3,), main_seeds=(1, 2), other_seeds=(1,), draw=1, more_draws=(5,),
    drawn_systems=("raw_only",), draw_ratios=(0.3,), sweep_ratios=(0.3,), step_gammas=(0.9,),
    focal_gammas=(),
    left_out=tuple(name for name in SYSTEMS if name not in KEPT), perplexity=4.0, workers=1,
)  # fmt: skip


@pytest.fixture
def made(monkeypatch):
    """Ninety memes with random features; four test memes have a copy with another text."""
    rng = np.random.default_rng(0)
    n = 90
    image, text = rng.normal(size=(2, n, 6)).astype(np.float32)
    types = (image[:, :4] + 0.5 * rng.normal(size=(n, 4)) > 0.4).astype(int)
    labels = np.column_stack([types.max(1), types])
    split = np.repeat(["train", "validation", "test"], [50, 20, 20])
    plain = Inputs(image, text, labels, split, np.array([f"g{i // 2}" for i in range(n)]))
    copied = with_copies(plain, np.arange(86, 90), text[:4])
    ids = np.array([f"m/{i}" for i in range(n)])
    pairs = pd.DataFrame({"id": ids, "split": split, "group": plain.group})
    pairs = pairs.assign(**{label: labels[:, at] for at, label in enumerate(LABELS)})
    none = SimpleNamespace(arrays={}, manifest={})
    monkeypatch.setattr(runs, "read_features", lambda folder, pairs: none)
    source = runs.Source(copied, n, "", "")
    whole = np.concatenate([ids, ids[86:]])
    return StudyInputs(pairs, Path(), PLAN, source, whole, pd.DataFrame(), {"linear": "a remark"})


def test_every_system_is_run_and_swept_systems_and_draws_on_top():
    wanted = runs.jobs(SslMemes().plan())
    plain = [job for job in wanted if not job.variant]
    assert {job.system.name for job in plain} == set(SYSTEMS)
    seeds = {name: {job.seed for job in plain if job.system.name == name} for name in SYSTEMS}
    assert len(seeds["raw_n_cook"]) == len(seeds["cmml_clip"]) == 10
    assert len(seeds["tib_va"]) == 3
    assert len(seeds["knn"]) == 1
    variants = {job.variant for job in wanted}
    assert {"", "draw=43", "step_gamma=0.9", "focal_gamma=3"} <= variants
    assert len({job.name() for job in wanted}) == len(wanted)


def test_runs_that_share_auto_encoders_are_one_task():
    tasks = runs._tasks(runs.jobs(PLAN.plan()))
    cooked = [task for task in tasks if set(task[0][0].system.features) & set(runs.TRAINED)]
    assert len(cooked) == 1  # one ratio, and the other draw has no cooked system
    assert {part[0].system.name for part in cooked[0]} == {"raw_n_cook", "raw_n_cook_five"}


def test_an_unknown_system_is_named():
    with pytest.raises(ValueError, match="left_out: 'raw_n_cok' is none of raw_n_cook"):
        runs.jobs(replace(PLAN, left_out=("raw_n_cok",)).plan())


def test_the_study_writes_all_rows_and_copies(made, tmp_path):
    result = study.run(made, tmp_path)
    rows = result.predictions
    assert set(rows["split"]) == {"validation", "test", READ}
    assert set(rows["system"]) == {*KEPT, *TRIVIAL}
    size = rows.groupby(["system", "variant", "ratio", "seed"]).size()
    assert (size == 20 + 20 + 4).all()
    five = rows[rows["system"] == "raw_n_cook_five"]
    four = rows[rows["system"] == "raw_n_cook"]
    assert five["s_misogynous"].notna().all()
    assert four["s_misogynous"].isna().all()
    assert four[[f"s_{name}" for name in TYPES]].apply(lambda c: c.between(0, 1)).all(axis=None)
    known = result.runs.set_index("system")["remark"]
    assert known["linear"] == "a remark"
    assert known["all_negative"] == ""
    study.write(result, tmp_path / "out")
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 6


def test_a_copy_differs_from_its_meme_only_by_its_text(made, tmp_path):
    rows = study.run(made, tmp_path).predictions
    mine = rows[(rows["system"] == "raw_n_cook") & (rows["seed"] == 1) & (rows["variant"] == "")]
    read = mine[mine["split"] == READ].set_index("id")
    test = mine[mine["split"] == "test"].set_index("id").loc[read.index]
    assert (read["y_shaming"] == test["y_shaming"]).all()
    assert not np.allclose(read["s_shaming"], test["s_shaming"])


def test_a_killed_study_goes_on_with_the_same_bytes(made, tmp_path):
    wanted = runs.jobs(PLAN.plan())
    first = list(runs.run_all(made.source, SMALL, wanted, tmp_path))
    files = sorted(tmp_path.rglob("*.safetensors"))
    before = {file: file.read_bytes() for file in files}
    stamps = {file: file.stat().st_mtime_ns for file in files}
    gone = next(file for file in files if file.name.startswith("raw_n_cook-"))
    gone.unlink()
    again = list(runs.run_all(made.source, SMALL, wanted, tmp_path))
    assert {file: file.read_bytes() for file in files} == before
    redone = {file.name for file in files if file.stat().st_mtime_ns != stamps[file]}
    assert redone
    assert all(name.startswith("raw_n_cook-") for name in redone)
    for (job, one), (same, other) in zip(first, again, strict=True):
        assert job == same
        assert (one.scores == other.scores).all()


def test_two_processes_give_the_same_bytes(made, tmp_path):
    plan = replace(PLAN, left_out=tuple(n for n in SYSTEMS if n != "raw_only"), step_gammas=())
    source = runs.Source(made.source.inputs, made.source.rows, "", "")
    wanted = runs.jobs(plan.plan())
    for folder, workers in (("one", 1), ("two", 2)):
        list(runs.run_all(source, SMALL, wanted, tmp_path / folder, workers))
    files = sorted((tmp_path / "one").rglob("*.safetensors"))
    assert len(files) == 3
    for file in files:
        twin = tmp_path / "two" / file.relative_to(tmp_path / "one")
        assert twin.read_bytes() == file.read_bytes()


def test_other_settings_are_other_runs(made):
    other = replace(SMALL, head=HeadSettings(epochs=3, hidden=8))
    assert made.source.digest(SMALL) == made.source.digest(SMALL) != made.source.digest(other)


def test_separation_has_a_row_a_block_and_test_meme(made):
    table = separation.measure(made)
    assert len(table) == 6 * 20
    assert table["features"].nunique() == 6
    assert table["silhouette_shaming"].between(-1, 1).all()
    assert table["probe_violence"].between(0, 1).all()
    pd.testing.assert_frame_equal(table, separation.measure(made))


def test_losses_agree_where_the_chance_is_a_half():
    table = links.best_scores(("bce", "ntr_bce_released"), chances=(0.2, 0.5)).set_index("chance")
    middle = table.loc[0.5].set_index("loss")["score"]
    assert middle["bce"] == pytest.approx(0.5, abs=0.002)
    assert middle["ntr_bce_released"] == pytest.approx(0.5, abs=0.02)
    rare = table.loc[0.2].set_index("loss")["score"]
    assert rare["bce"] == pytest.approx(0.2, abs=0.002)
    assert rare["bce"] < rare["ntr_bce_released"] < 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratios": (0.3, 1.0)}, "ratios: must be shares"),
        ({"main_seeds": ()}, "need one at least"),
        ({"other_seeds": (99,)}, "other_seeds: must be among main_seeds"),
        ({"separation_ratio": 0.2}, "separation_ratio: 0.2 is not among"),
        ({"more_draws": (42,)}, "more_draws: 42 is the main draw"),
        ({"workers": 0}, "workers, perplexity"),
    ],
)
def test_settings_out_of_range_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SslMemes(), **change).validate()


def test_only_some_paths_are_refused():
    with pytest.raises(ValueError, match="embeddings: belongs to pairs, embeddings"):
        opening.open_inputs("profiles/smoke.yaml", SslMemes(), pairs="a.parquet")


def test_memes_without_labels_are_named():
    table = pd.DataFrame({"id": ["a", "b"], "split": ["train", "test"]})
    table = table.assign(**dict.fromkeys(LABELS, [0, -1]))
    with pytest.raises(ValueError, match=r"x.parquet, row 2 \(b\): no label"):
        opening._check(table, "x.parquet")
    with pytest.raises(ValueError, match="no test memes"):
        opening._check(table[:1], "x.parquet")
    assert study_inputs.READ not in set(table["split"])

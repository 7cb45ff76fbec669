"""The sample encoders at a tiny scale: same seed same bytes, resumable, loadable anywhere."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from lib import paths
from lib.checkpoints import WEIGHTS
from lib.encoders import EncoderError, load_encoder
from lib.sample import pictograms
from lib.sample.clip import ClipSettings, models
from lib.sample.clip import __main__ as stage
from lib.sample.clip.align import CachedBatches, Texts, helpers, paint
from lib.sample.clip.pictures import _grown, draw_singles, split_concepts, studied
from lib.sample.scenery.paintbox import table
from lib.training import TrainSettings

TINY = ClipSettings(
    dim=16, image_size=64, scenes=24, singles=8, held_out=16, validation=8, gallery=16, batch=8,
    workers=1,
    train=TrainSettings(epochs=2, lr_new=1e-2),
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Both models, made twice; the second run was stopped while it trained the second model."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("clip")
    patch.setattr(paths, "scratch", lambda *parts: _made(folder.joinpath("scratch", *parts)))
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    report = stage.make(TINY, folder / "one")
    painted, paint, train = [], stage.paint, models.train
    patch.setattr(stage, "paint", lambda *a: painted.append(a[-1]) or paint(*a))

    def stopping(split, artists, *rest):
        if len(artists) == 2:
            raise KeyboardInterrupt
        return train(split, artists, *rest)

    patch.setattr(models, "train", stopping)
    with pytest.raises(KeyboardInterrupt):
        stage.make(TINY, folder / "two")
    patch.setattr(models, "train", train)
    stage.make(TINY, folder / "two")
    patch.undo()
    return folder, report, painted


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("name", ["sample_clip_l", "sample_clip_h"])
def test_same_seed_same_bytes_even_after_a_stop(made, name):
    folder, _, painted = made
    for file in sorted((folder / "one" / name).iterdir()):
        assert file.read_bytes() == (folder / "two" / name / file.name).read_bytes(), file.name
    assert len(painted) == len(set(painted)) == 8  # the resumed run found its scenes
    assert not list((folder / "scratch" / "sample_clip").iterdir())


def test_the_two_models_differ_and_only_their_projections(made):
    from safetensors.torch import load_file

    small, large = (load_file(made[0] / "one" / f"sample_clip_{k}" / WEIGHTS) for k in "lh")
    changed = {key for key in small if not torch.equal(small[key], large[key])}
    assert changed >= {"visual.head.proj.weight", "text.proj.0.weight", "text.proj.2.weight"}
    assert all(key.startswith(("visual.head", "text.proj", "logit_scale")) for key in changed)


def test_the_report_has_each_test_with_interval_and_chance(made):
    folder, report, _ = made
    written = json.loads((folder / "one" / "sample_clip.json").read_text())
    assert written == {key: report[key] for key in ("settings", "recall")}
    rows = written["recall"]
    assert len(rows) == 2 * 4 * 2 * 3  # models, tests, directions, k
    assert all(0 <= row["low"] <= row["recall"] <= row["high"] <= 1 for row in rows)
    first = [row for row in rows if row["k"] == 1]
    assert all(row["chance"] == round(1 / row["gallery"], 4) for row in first)


def test_the_folder_can_be_moved_and_loads_offline_from_elsewhere(made, tmp_path):
    moved = shutil.copytree(made[0] / "one" / "sample_clip_l", tmp_path / "moved")
    code = (
        "from lib.encoders import *; import sys\n"
        "e = load_encoder(sys.argv[1]); print(encode_texts(e, ['a bridge']).shape, e.dim)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"local-dir:{moved}"], cwd=tmp_path, text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(paths.ROOT)},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "(1, 16) 16", done.stderr


def test_a_spoilt_tokenizer_is_an_error(made, tmp_path):
    folder = shutil.copytree(made[0] / "one" / "sample_clip_l", tmp_path / "spoilt")
    content = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(content | {"do_lower_case": False}))
    with pytest.raises(EncoderError, match="tokenizer differs"):
        load_encoder(f"local-dir:{folder}")


def test_concepts_of_the_studies_are_seen_and_the_rest_is_cut_cleanly():
    seen, unseen = split_concepts(600, 0)
    assert len(unseen) == 600
    assert set(seen).isdisjoint(unseen)
    assert set(seen) | set(unseen) == set(pictograms.everything()["emoji"])
    assert studied() & set(pictograms.everything()["emoji"]) <= set(seen)
    recipes = {e for r in table("places").values() for e in r["recipes"].replace("|", " ").split()}
    assert recipes <= studied()
    assert split_concepts(600, 1)[1] != unseen


def test_no_training_picture_shows_an_unseen_concept():
    settings = replace(TINY, scenes=300, singles=1300, held_out=600, validation=100)
    sets, trials = stage.draw_sets(settings)
    unseen = set(split_concepts(600, 0)[1])
    for name in sets.keys() - {trial.name for trial in trials}:
        shown = {e for item in sets[name] for e in item.scene.subjects}
        assert not shown & unseen, name
    alone = next(trial for trial in trials if trial.name == "unseen concepts")
    assert {item.lead for item in alone.items} <= unseen


def test_dropout_falls_the_same_in_a_repeated_epoch():
    items = draw_singles(["🐝", "🚲", "🍎", "🏰"], "openmoji", 0.0, 0)
    captions = sorted({text for item in items for text in item.captions})
    texts = Texts(
        {text: row for row, text in enumerate(captions)},
        torch.ones(len(captions), 6).half(),
        torch.ones(len(captions), 3, dtype=torch.long),
    )
    batches = CachedBatches(torch.ones(4, 50).half(), items, texts, 2, 0, dropout=0.5)
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append([image for image, _, _ in batches.epoch(0)])
    assert all(torch.equal(a, b) for a, b in zip(*made, strict=True))
    assert set(torch.cat(made[0]).unique().tolist()) == {0.0, 2.0}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each process imports PyTorch anew")
def test_processes_paint_what_one_paints():
    items = draw_singles(["🐝", "🚲", "🍎"], "openmoji", 0.3, 0, restyled=1.0)
    made = []
    for workers in (1, 2):
        with helpers(64, 19, workers) as over:
            made.append(paint(over, items, 64, "bees"))
    assert torch.equal(*made)


def test_bright_areas_grow_as_under_a_maximum_filter():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 31, 3), dtype=np.uint8)
    for reach in (0, 1, 4):
        right = Image.fromarray(pixels).filter(ImageFilter.MaxFilter(2 * reach + 1))
        assert np.array_equal(_grown(pixels, reach), np.asarray(right))


def test_settings_out_of_range_are_named():
    with pytest.raises(ValueError, match="batch: must not exceed scenes"):
        replace(TINY, batch=25).validate()

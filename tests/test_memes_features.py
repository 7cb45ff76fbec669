"""Features of the rivals: what each array holds, and whose they are."""

import json
import shlex
from dataclasses import replace

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from PIL import Image
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn

from lib import embed, params
from lib.encoders import encode_texts, load_encoder
from lib.memes.rivals import __main__ as stage
from lib.memes.rivals.features import (
    FeatureError,
    FeatureSettings,
    grid_regions,
    making,
    read_features,
)
from lib.memes.rivals.features.making import make_features
from lib.memes.rivals.features.regions import detector, regions_of
from lib.memes.rivals.features.towers import image_tower, text_tower, token_tower
from lib.memes.rivals.features.words import bags, vocabulary
from lib.sample.tiny import tiny_clip
from lib.schema import COLUMNS, write_pairs

QUICK = FeatureSettings(
    image_tower="tiny", image_size=64, text_tower="tiny", text_length=6, ids_length=8,
    vocabulary=9, clip_length=0, pixels=32, block=4, workers=2,
)  # fmt: skip
TEXTS = [
    "when the robot burns the toast", "the toast", "a robot says no", "robot", "no toast at all",
    "this text is much longer than all the other texts here", "vacuum", "the robot", "only test",
    "no picture",
]  # fmt: skip


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tiny_clip(tmp_path_factory.mktemp("clip") / "tiny")
    return load_encoder(f"local-dir:{folder}")


@pytest.fixture(scope="module")
def memes(tmp_path_factory):
    """A pairs table of ten memes, the last without a picture; returns (pairs, root)."""
    root = tmp_path_factory.mktemp("memes")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=range(len(TEXTS)))
    table["id"] = table["group"] = [f"m{i}" for i in table.index]
    table["text"], table["lang"] = TEXTS, "en"
    table["split"] = ["train"] * 8 + ["test"] * 2
    for row in range(9):
        pixels = rng.integers(0, 255, (40, 50 + row, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"{row}.png")
        table.loc[row, "image"] = f"{row}.png"
    pairs = root / "pairs.parquet"
    write_pairs(table, pairs)
    return pairs, root


@pytest.fixture(scope="module")
def made(memes, encoder):
    pairs, root = memes
    return make_features(pairs, root, encoder, root / "features", QUICK)


def test_arrays_have_the_shapes_that_the_rivals_read(made):
    shapes = {name: (array.shape, str(array.dtype)) for name, array in made.arrays.items()}
    n = len(TEXTS)
    assert shapes["ids"] == ((n, 8), "int32")
    assert shapes["words"] == ((n, 9), "uint8")
    assert shapes["pixels"] == ((n, 3, 32, 32), "uint8")
    assert shapes["states"] == ((n, 6, 32), "float16")
    assert shapes["tokens"] == ((n, 77, 32), "float16")
    assert shapes["lengths"] == shapes["token_lengths"] == ((n,), "int32")
    cells = shapes["cells"][0]
    assert cells[:2] == (n, 4)
    assert shapes["picture"][0] == (n, cells[2])
    assert shapes["regions"] == shapes["cells"]
    assert shapes["boxes"][0] == (n, 4, 4)
    assert all(np.isfinite(array).all() for array in made.arrays.values())


def test_a_meme_without_a_picture_has_zeros_and_others_do_not(made):
    for name in ("picture", "cells", "pixels"):
        there = made[name].reshape(len(TEXTS), -1).any(1)
        assert there.tolist() == [True] * 9 + [False]


def test_pictures_are_squashed_and_pooled_from_their_cells(made, memes):
    image = Image.open(memes[1] / "3.png").resize((32, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(made["pixels"][3], np.asarray(image).transpose(2, 0, 1))
    mean = made["cells"][3].astype(np.float32).mean(0)
    np.testing.assert_allclose(mean, made["picture"][3], rtol=2e-2, atol=2e-3)


def test_tokens_end_where_clip_reads_its_text(made, encoder):
    own = encode_texts(encoder, TEXTS)
    ends = made["token_lengths"] - 1
    at_the_end = made["tokens"][np.arange(len(TEXTS)), ends]
    np.testing.assert_allclose(at_the_end, own, rtol=2e-2, atol=2e-3)
    assert made["tokens"][3, 70].any()  # padding has states too: TIB-VA's LSTM reads them


def test_token_towers_are_cut_to_their_length(encoder):
    whole, ends = token_tower(encoder, 0).run(TEXTS[:2])
    cut, ends_cut = token_tower(encoder, 5).run(TEXTS[:2])
    torch.testing.assert_close(cut, whole[:, :5])
    assert ends.tolist() == [6 + 2, 4]
    assert ends_cut.tolist() == [5, 4]


def test_states_do_not_depend_on_the_texts_beside_them(made):
    alone, length = text_tower("tiny", 6, "cpu").run(TEXTS[1:2])
    np.testing.assert_allclose(made["states"][1], alone[0].detach().half(), atol=2e-3)
    assert length.item() == made["lengths"][1] == 4
    assert not made["states"][1, 4:].any()
    assert made["lengths"][5] == 6


def test_ids_start_with_cls_and_end_with_sep(made):
    assert (made["ids"][:, 0] == 101).all()
    assert made["ids"][5, -1] == 102
    assert made["ids"][3].tolist() == [101, 8957, 102, 0, 0, 0, 0, 0]


def test_words_are_the_most_frequent_of_the_training_texts():
    texts = ["b b a", "the the the robot", "robot robot"]
    assert vocabulary(texts, 2) == ["robot", "the"]
    assert vocabulary(["bb aa", "aa cc"], 9) == ["aa", "bb", "cc"]
    assert bags(["the robot the", "a toast"], ["robot", "the"]).tolist() == [[1, 1], [0, 0]]


def test_test_texts_are_no_part_of_the_vocabulary(made):
    seen = made["words"].astype(int).sum(1)
    assert seen[8] == 0  # "only test"
    assert seen[0] > 2


def test_grid_boxes_are_shares_of_the_picture():
    made = grid_regions(np.zeros((2, 4, 3), np.float16))
    assert made["boxes"][1].tolist() == [
        [0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1],
    ]  # fmt: skip
    with pytest.raises(FeatureError, match="^cells: 3 of a picture are no square grid"):
        grid_regions(np.zeros((2, 3, 3), np.float16))


def test_regions_of_a_detector_are_its_best_boxes_as_shares():
    torch.manual_seed(0)
    model = fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None).eval()
    picture = torch.randint(0, 255, (3, 90, 120), dtype=torch.uint8)
    features, boxes, mask = regions_of(model, picture, 7)
    assert features.shape == (7, 1024)
    assert boxes.shape == (7, 4)
    found = int(mask.sum())
    assert found >= 1
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert (boxes[:found, 2:] > boxes[:found, :2]).all()
    assert features[:found].any(1).all()
    assert not features[found:].any()
    assert not boxes[found:].any()
    many = regions_of(model, picture, 3000)
    torch.testing.assert_close(many[0][:found], features[:found])


def test_detected_regions_are_stored_and_masked(memes, encoder, tmp_path, monkeypatch):
    pairs, root = memes

    def fake(name, count, device):
        del name, device
        made = torch.ones(count, 5), torch.full((count, 4), 0.5), torch.ones(count)
        return making.Tower(lambda picture: made, {"name": "fake", "weights_sha256": ""})

    monkeypatch.setattr(making, "detector", fake)
    settings = replace(QUICK, regions="detector", region_count=3)
    found = make_features(pairs, root, encoder, tmp_path / "f", settings)
    assert found["regions"].shape == (10, 3, 5)
    assert found["region_mask"].tolist() == [[1, 1, 1]] * 9 + [[0, 0, 0]]


def test_they_are_made_once_and_the_same_bytes_whatever_the_workers(
    made, memes, encoder, tmp_path, monkeypatch
):
    pairs, root = memes
    again = make_features(pairs, root, encoder, tmp_path / "again", replace(QUICK, workers=1))
    for name in again.manifest["arrays"]:
        first, second = (f / f"{name}.npy" for f in (root / "features", tmp_path / "again"))
        assert first.read_bytes() == second.read_bytes()
    assert again.manifest == made.manifest
    monkeypatch.setattr(making, "fill", None)  # nothing may be computed again
    make_features(pairs, root, encoder, tmp_path / "again", QUICK)


def test_a_killed_run_goes_on_after_its_last_block(memes, encoder, tmp_path, monkeypatch):
    pairs, root = memes
    settings, calls = replace(QUICK, pixels=24, workers=1), []
    before = making.squashed

    def dying(image, size):
        calls.append(size)
        if len(calls) == 14:
            raise KeyboardInterrupt
        return before(image, size)

    monkeypatch.setattr(making, "squashed", dying)
    with pytest.raises(KeyboardInterrupt):
        make_features(pairs, root, encoder, tmp_path / "f", settings)
    assert not (tmp_path / "f").exists()
    done = len(calls)
    found = make_features(pairs, root, encoder, tmp_path / "f", settings)
    assert len(calls) - done == 10  # five pictures of the last two blocks, two sizes each
    assert found["pixels"][:9].reshape(9, -1).any(1).all()


def test_features_of_another_table_or_of_another_shape_are_refused(made, memes, tmp_path):
    pairs, root = memes
    other = pd.read_parquet(pairs)
    other.loc[0, "text"] = "another"
    write_pairs(other, tmp_path / "other.parquet")
    with pytest.raises(FeatureError, match="made from another pairs table than") as error:
        read_features(root / "features", tmp_path / "other.parquet")
    assert "\n" not in str(error.value)
    with pytest.raises(FeatureError, match=r"manifest.json: no such file; run the stage"):
        read_features(tmp_path, pairs)
    folder = tmp_path / "copy"
    folder.mkdir()
    manifest = json.loads((root / "features" / "manifest.json").read_text())
    manifest["arrays"] = {"ids": manifest["arrays"]["ids"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(FeatureError, match=r"ids.npy: no such file, but the manifest names it"):
        read_features(folder, pairs)
    np.save(folder / "ids.npy", np.zeros((10, 7), np.int32))
    with pytest.raises(FeatureError, match=r"ids.npy: int32 \[10, 7\], the manifest says"):
        read_features(folder, pairs)


def test_other_towers_make_other_features(made, memes, encoder, tmp_path):
    pairs, root = memes
    out = root / "features"
    before = json.loads((out / "manifest.json").read_text())
    changed = before | {"towers": before["towers"] | {"image": {"name": "another"}}}
    copy = tmp_path / "f"
    copy.mkdir()
    (copy / "manifest.json").write_text(json.dumps(changed))
    found = make_features(pairs, root, encoder, copy, QUICK)
    assert found.manifest == before
    assert np.array_equal(found["cells"], made["cells"])


def test_what_needs_a_hub_or_a_gpu_refuses_at_once():
    for make in (
        lambda: image_tower("resnet18", "cpu"),
        lambda: text_tower("distilbert/distilbert-base-uncased", 9, "cpu"),
        lambda: making.load_tokenizer("tokenizer", "google-bert/bert-base-uncased"),
    ):
        with pytest.raises(FeatureError, match="cannot be loaded") as error:
            make()
        assert "\n" not in str(error.value)
    with pytest.raises(FeatureError, match="^detector: 'ssd300_vgg16' is no box detector"):
        detector("ssd300_vgg16", 36, "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(FeatureError, match="^device: 'cuda' was asked for"):
            image_tower("efficientnet_lite0", "cuda")


def test_the_stand_ins_are_named():
    assert image_tower("efficientnet_lite0", "cpu").info["stands_in"].endswith("for ResNet-18")
    cells, pooled = image_tower("efficientnet_lite0", "cpu").run(
        torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    )
    assert cells.shape == (1, 2, 2, 320)
    assert pooled.shape == (1, 1280)


CONFIG = """
memes_rivals: {image_tower: tiny, image_size: 64, text_tower: tiny, text_length: 6, ids_length: 8,
  vocabulary: 9, clip_length: 0, pixels: 32, block: 4}
ssl_memes: {systems: {rivals: {vilt: {gpu: GPU}}}}
"""


def test_the_command_line_makes_them_or_says_one_line(memes, tmp_path, capsys):
    pairs, root = memes
    config = tmp_path / "params.yaml"
    config.write_text(CONFIG.replace("GPU", "false"))
    clip = tiny_clip(tmp_path / "clip")
    arguments = ["--config", str(config), "--pairs", str(pairs), "--root", str(root),
                 "--encoder", f"local-dir:{clip}", "--out", str(tmp_path / "out")]  # fmt: skip
    stage.main(arguments)
    assert "10 memes" in capsys.readouterr().out
    assert len(read_features(tmp_path / "out", pairs)["ids"]) == 10
    if not torch.cuda.is_available():
        config.write_text(CONFIG.replace("GPU", "true"))
        with pytest.raises(SystemExit, match=r"^vilt.gpu: a CUDA device is needed"):
            stage.main(arguments)


@pytest.mark.parametrize("main", [embed.main, stage.main])
def test_memes_are_squashed_in_the_paper_profile(main, monkeypatch, tmp_path):
    seen = {}

    def stop(*names, **how):
        seen.update(how, names=names)
        raise RuntimeError("stopped")

    monkeypatch.setattr(open_clip, "create_model_and_transforms", stop)
    encoder = shlex.split(params.read("profiles/paper.yaml")["memes_encoder"]["model"])
    with pytest.raises(SystemExit, match="stopped"):
        main(["--config", "params.yaml", "--pairs", "none", "--root", "none", "--encoder", *encoder,
              "--out", str(tmp_path / "out")])  # fmt: skip
    assert seen["names"] == ("ViT-L-14-quickgelu", "openai")
    assert seen["image_resize_mode"] == "squash"


@pytest.mark.parametrize("key", ["image_size", "ids_length", "vocabulary", "region_count"])
def test_settings_out_of_range_are_named(key):
    with pytest.raises(ValueError, match=f"^{key}: "):
        replace(QUICK, **{key: 0}).validate()

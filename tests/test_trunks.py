"""Trunks: the next encoder of the same trunk finds its vectors, to the bit; no other does."""

import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

from lib import embed, paths, trunks
from lib.encoders import Encoder, load_encoder
from lib.sample.clip import towers
from lib.sample.tiny import tiny_clip
from lib.trunks import FOLDER, remembered


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A scratch folder of this test's own."""

    def scratch(*parts):
        made = tmp_path.joinpath(*parts)
        made.mkdir(parents=True, exist_ok=True)
        return made

    monkeypatch.setattr(paths, "scratch", scratch)
    return scratch(FOLDER)


@pytest.fixture(scope="module")
def models():
    """Two encoders of the same trunks with other heads, as the sample's two are."""
    return [towers.build(16, 64, seed) for seed in (0, 1)]


def inputs():
    """Return a batch of pixels and one of token ids, padded."""
    torch.manual_seed(0)
    return torch.randn(3, 3, 64, 64), torch.tensor([[101, 2000, 102, 0], [101, 2001, 2002, 102]])


def test_the_second_encoder_computes_its_heads_alone_and_to_the_same_bits(
    folder, models, monkeypatch
):
    pixels, ids = inputs()
    with torch.inference_mode():
        alone = [(m.encode_image(pixels), m.encode_text(ids)) for m in models]
        first = remembered(models[0], 1)
        made = [(first.encode_image(pixels), first.encode_text(ids))]
        monkeypatch.setattr(models[1].visual.trunk, "forward", None)
        monkeypatch.setattr(models[1].text.transformer, "forward", None)
        second = remembered(models[1], 1)
        made.append((second.encode_image(pixels), second.encode_text(ids)))
    for mine, right in zip(made, alone, strict=True):
        for one, other in zip(mine, right, strict=True):
            assert torch.equal(one, other)
    assert len(list(folder.glob("*.npy"))) == 2


def test_another_batch_or_other_weights_are_computed_anew(folder, models):
    pixels, _ = inputs()
    other = towers.build(16, 64, 0)
    with torch.inference_mode():
        remembered(models[0], 1).encode_image(pixels)
        remembered(models[0], 1).encode_image(pixels + 0.1)
        other.visual.trunk.conv_stem.weight.mul_(1.5)
        made = remembered(other, 1).encode_image(pixels)
        assert torch.equal(made, other.encode_image(pixels))
    assert len(list(folder.glob("*.npy"))) == 3


@pytest.fixture
def files(tmp_path):
    """Three pictures."""
    rng = np.random.default_rng(0)
    made = [tmp_path / f"{number}.png" for number in range(3)]
    for file in made:
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(file)
    return made


def encoded(model, files, megabytes=1, **preprocess):
    """Return features and unreadable pictures of files, as `embed` gets them."""
    info = {"preprocess": {"size": (64, 64)} | preprocess}
    known = remembered(model, megabytes)
    encoder = Encoder(known, lambda one: pil_to_tensor(one) / 127.5 - 1, None, 16, info)
    return embed._encode_files(encoder, files, threading.Semaphore())


def test_pictures_whose_vectors_are_known_are_not_decoded(folder, models, files, monkeypatch):
    alone, _ = encoded(models[1], files, megabytes=0)
    encoded(models[0], files)
    with monkeypatch.context() as patch:
        patch.setattr(embed, "load_rgb", None)
        made, bad = encoded(models[1], files)
        np.testing.assert_array_equal(made, alone)
        assert bad == {}
        for changed in ({"mean": 0.4}, {}):
            if not changed:
                files[0].write_bytes(files[1].read_bytes())
            with pytest.raises(TypeError):  # decoded
                encoded(models[1], files, **changed)
    assert not np.array_equal(encoded(models[1], files)[0], alone)


def test_batches_with_unreadable_pictures_are_decoded_each_time(folder, models, files):
    files[1].write_bytes(b"no picture")
    for model in models:
        assert list(encoded(model, files)[1]) == [1]
        assert list(encoded(model, [*files, files[0].with_name("gone.png")])[1]) == [1, 3]


def test_the_oldest_go_when_there_are_too_many(folder, models):
    for number in range(3):
        np.save(folder / f"{number}.npy", np.zeros(2**17, np.float32))  # half a MB
    trunks._let_go(folder, 2**20 + 2**19)
    assert [file.name for file in sorted(folder.iterdir())] == ["1.npy", "2.npy"]


def test_towers_without_a_pooled_trunk_stay_as_they_are(models):
    clip = load_encoder(f"local-dir:{paths.relative(tiny_clip())}").model
    assert remembered(clip, 1) is clip
    assert remembered(models[0], 0) is models[0]
    half = towers.build(16, 64, 0).half()
    assert remembered(half, 1) is half

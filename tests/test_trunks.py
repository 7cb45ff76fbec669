"""Trunks: the next encoder of the same trunk finds its vectors, to the bit; no other does."""

import numpy as np
import pytest
import torch

from lib import paths, trunks
from lib.encoders import load_encoder
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

"""A model cut at a frozen boundary is still the same model."""

import pytest
import torch

from lib.boundary import Split, folded
from lib.encoders import load_encoder
from lib.sample.clip import towers
from lib.sample.tiny import tiny_clip


def check(model, pixels, ids, image_boundary, text_boundary, atol):
    """Bottom then top gives the tower's own output."""
    split = Split(model, image_boundary, text_boundary)
    with torch.inference_mode():
        image = split.encode_image(split.image_bottom()(pixels))
        text = split.encode_text(split.text_bottom()(ids))
        torch.testing.assert_close(image, model.encode_image(pixels), atol=atol, rtol=1e-4)
        torch.testing.assert_close(text, model.encode_text(ids), atol=atol, rtol=1e-4)
    return split


@pytest.mark.parametrize("cut", [(0, 0), (1, 2), (4, 4)])
def test_open_clips_own_towers(cut):
    encoder = load_encoder(f"local-dir:{tiny_clip()}")
    ids = encoder.tokenizer(["a photo", "two dogs and a bridge"])
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    check(encoder.model, pixels, ids, *cut, atol=1e-6)


@pytest.fixture(scope="module")
def sample_model():
    """The sample encoders' model before training."""
    return towers.build(16, 64, 0)


@pytest.mark.parametrize("cut", [(0, 0), (12, 5), (19, 8)])
def test_convolutional_and_bert_towers(sample_model, cut):
    ids = torch.tensor([[101, 1037, 6302, 102], [101, 2958, 102, 0]])
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    split = check(sample_model, pixels, ids, *cut, atol=1e-4)
    frozen = [n for n, p in split.named_parameters() if not p.requires_grad]
    assert bool(frozen) == (cut != (0, 0))
    for parameter in sample_model.parameters():
        parameter.requires_grad_(True)


def test_all_frozen_leaves_the_projections(sample_model):
    split = Split(sample_model, 19, 8)
    left = {n.rsplit(".", 1)[0] for n, p in split.named_parameters() if p.requires_grad}
    assert left == {"model", "model.visual.head.proj", "model.text.proj.0", "model.text.proj.2"}


def test_a_boundary_that_the_tower_has_not(sample_model):
    with pytest.raises(ValueError, match=r"image_boundary: must be in 0\.\.20, got 21"):
        Split(sample_model, 21, 0)


def test_package_weights_fit_tensor_by_tensor(monkeypatch):
    trunk = towers.vision(8, 64).trunk
    assert len(trunk.state_dict()) == 294  # the package's 296 less the classifier
    trunk.conv_head = torch.nn.Conv2d(320, 1281, 1, bias=False)
    with pytest.raises(ValueError, match="conv_head.weight"):
        towers.load_vision(trunk)


def test_a_folded_tower_gives_the_same_features_and_leaves_the_model_alone(sample_model):
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = {name: value.clone() for name, value in sample_model.state_dict().items()}
    made = folded(sample_model)
    with torch.inference_mode():
        torch.testing.assert_close(
            made.encode_image(pixels), sample_model.encode_image(pixels), atol=1e-4, rtol=1e-3
        )
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in made.visual.modules())
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in sample_model.visual.modules())
    assert made.text is sample_model.text
    for name, value in sample_model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_towers_without_convolutional_blocks_are_not_copied():
    model = load_encoder(f"local-dir:{tiny_clip()}").model
    assert folded(model) is model

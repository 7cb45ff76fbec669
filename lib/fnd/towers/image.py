"""Image towers: pooled features, and activations at a boundary above which blocks learn.

ResNet-34, ResNet-101 and VGG19 come from timm or the Hugging Face hub; EfficientNet-lite0 of the
pip package stands in for them in the sample, and an untrained net of two layers in a smoke run.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import timm
import torch
import transformers
from PIL import Image
from torch import nn

from lib.boundary import fold_batch_norms
from lib.checkpoints import state_digest

PACKAGE, TINY = "efficientnet_lite0", "tiny"  # models that need no hub
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class ImageTower:
    """How an image tower is made."""

    model: str  # timm:<name>, hf:<hub name>, efficientnet_lite0 (pip package) or tiny (untrained)
    name: str = ""  # of its folder
    size: int = 224  # pixels; pictures are squeezed to a square, as the published systems do
    boundary: int = -1  # frozen stages below the blocks that learn (0: all learn); -1: none learns

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        if self.size < 8:
            raise ValueError(f"size: must be at least 8, got {self.size}")
        if self.boundary < -1:
            raise ValueError(f"boundary: must be at least -1, got {self.boundary}")


@dataclass(frozen=True)
class LoadedImage:
    """An image tower as stages (the last one makes feature maps or a vector) in evaluation mode."""

    stages: nn.ModuleList
    settings: ImageTower
    scale: tuple[tuple[float, ...], tuple[float, ...]]  # mean, standard deviation of a channel
    device: str

    def prepare(self, picture: Image.Image) -> torch.Tensor:
        """Return the pixels (3, size, size) of an RGB picture, float32, scaled."""
        side = (self.settings.size,) * 2
        pixels = np.asarray(picture.resize(side, Image.Resampling.BICUBIC), np.float32) / 255
        mean, deviation = self.scale
        scaled = (pixels - np.array(mean, np.float32)) / np.array(deviation, np.float32)
        return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))


def load_image(settings: ImageTower, device: str = "cpu") -> LoadedImage:
    """Load an image tower; one of timm or of the hub needs a network or the hub's cache."""
    kind, _, name = settings.model.partition(":")
    if settings.model == PACKAGE:
        from lib.sample.clip.towers import VISION, load_vision

        trunk = timm.create_model(VISION, num_classes=0)
        load_vision(trunk)
        stages, scale = _timm_stages(trunk), HALF
    elif settings.model == TINY:
        stages, scale = _tiny(), HALF
    elif kind == "timm":
        trunk = timm.create_model(name, pretrained=True)
        stages = _timm_stages(trunk)
        scale = (trunk.pretrained_cfg["mean"], trunk.pretrained_cfg["std"])
    elif kind == "hf":
        trunk = transformers.AutoModel.from_pretrained(name)
        stages, scale = [trunk.embedder, *trunk.encoder.stages], IMAGENET
    else:
        raise ValueError(f"model: {settings.model!r} is not timm:, hf:, {PACKAGE} or {TINY}")
    if settings.boundary > len(stages):
        raise ValueError(f"boundary: {settings.model} has {len(stages)} stages")
    return LoadedImage(nn.ModuleList(stages).eval().to(device), settings, scale, device)


def halves(tower: LoadedImage) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Return (frozen bottom, top) for inference: batch norms folded, channels last."""
    stages = copy.deepcopy(tower.stages).to(memory_format=torch.channels_last)
    fold_batch_norms(stages)
    cut = max(0, tower.settings.boundary)
    return stages[:cut], stages[cut:]


def chain(stages: nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
    """Run stages one after the other."""
    for stage in stages:
        x = stage(x)
    return x


def features_of(stages: nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
    """Return (n, d): the stages' output, its feature maps averaged over the picture."""
    x = chain(stages, x)
    return x.mean((2, 3)) if x.ndim == 4 else x


def tower_digest(tower: LoadedImage) -> str:
    """Return the sha256 of the weights."""
    return state_digest(tower.stages)


def _timm_stages(trunk: nn.Module) -> list[nn.Module]:
    """Return stem, blocks and head of timm's EfficientNets, ResNets and VGGs."""
    if hasattr(trunk, "conv_head"):
        blocks = [block for stage in trunk.blocks for block in stage]
        return [
            nn.Sequential(trunk.conv_stem, trunk.bn1),
            *blocks,
            nn.Sequential(trunk.conv_head, trunk.bn2),
        ]
    if hasattr(trunk, "layer4"):
        stem = nn.Sequential(trunk.conv1, trunk.bn1, trunk.act1, trunk.maxpool)
        return [stem, trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4]
    if hasattr(trunk, "pre_logits"):
        return [trunk.features, nn.Sequential(trunk.pre_logits, nn.Flatten())]
    raise ValueError(f"model: no stages are known for a {type(trunk).__name__}")


def _tiny() -> list[nn.Module]:
    """Return an untrained net of two convolutions, always the same one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [
            nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU()),
            nn.Sequential(nn.Conv2d(8, 16, 2, 2), nn.ReLU()),
        ]

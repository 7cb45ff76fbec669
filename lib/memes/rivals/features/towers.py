"""Frozen towers: pictures -> grid cells, texts -> token states, CLIP's text at every position.

In the sample profile EfficientNet-lite0 stands in for ResNet-18 and MiniLM for DistilBERT; both
come from pip packages. `tiny` towers have random weights: right shapes, no meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from lib import paths
from lib.boundary import Split, fold_batch_norms, text_stages
from lib.checkpoints import state_digest
from lib.encoders import Encoder
from lib.memes.rivals.features import FeatureError
from lib.sample.clip.towers import VISION, load_vision, text_folder

TOGETHER = 8  # texts of similar length that run at once: padding costs time
STANDS_IN = {
    "efficientnet_lite0": "EfficientNet-lite0 for ResNet-18",
    "minilm": "MiniLM for DistilBERT",
    "tiny": "an untrained tower",
}
TINY_TEXT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 64, "vocab_size": 30522}  # fmt: skip


@dataclass(frozen=True)
class Tower:
    """`run` maps inputs to features; `info` goes into the manifest: name, weights, stand-in."""

    run: Callable[..., Any]
    info: dict[str, str]
    tokenizer: Any = None


def check_device(device: str) -> None:
    """Raise FeatureError where a GPU is asked for and there is none."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise FeatureError(f"device: {device!r} was asked for, but torch finds no CUDA device here")


def image_tower(name: str, device: str) -> Tower:
    """Return a frozen tower: pixels (n, 3, s, s) -> cells (n, g, g, c) and pooled (n, c')."""
    check_device(device)
    if name == "efficientnet_lite0":
        trunk = timm.create_model(VISION, pretrained=False, num_classes=0)
        load_vision(trunk)
    elif name == "tiny":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            trunk = timm.create_model("test_resnet", pretrained=False, num_classes=0)
    else:
        try:
            trunk = timm.create_model(name, pretrained=True, num_classes=0)
        except (OSError, RuntimeError, ValueError) as error:
            raise FeatureError(_unloadable("image_tower", name, error)) from None
    info = _info(name, trunk)
    config = timm.data.resolve_data_config({}, model=trunk)
    half = (0.5,) * 3 if name == "efficientnet_lite0" else None
    mean, std = (torch.tensor(half or config[k])[:, None, None] for k in ("mean", "std"))
    fold_batch_norms(trunk.eval())
    trunk = trunk.to(device, memory_format=torch.channels_last)

    def run(pixels: Tensor) -> tuple[Tensor, Tensor]:
        pixels = ((pixels.float() / 255 - mean) / std).to(device)
        return _cells(trunk, pixels.contiguous(memory_format=torch.channels_last))

    return Tower(run, info)


def _cells(trunk: torch.nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last grid before a head's widening, (n, g, g, c), and the pooled features."""
    if hasattr(trunk, "conv_head"):
        grid = trunk.blocks(trunk.bn1(trunk.conv_stem(pixels)))
        pooled = trunk.forward_head(trunk.bn2(trunk.conv_head(grid)))
    else:
        grid = trunk.forward_features(pixels)
        pooled = grid.mean((2, 3))
    return grid.permute(0, 2, 3, 1), pooled


def text_tower(name: str, length: int, device: str) -> Tower:
    """Return a frozen tower: texts -> token states (n, length, w), zero after `lengths` (n,)."""
    check_device(device)
    tokenizer = load_tokenizer("text_tower", "minilm" if name == "tiny" else name)
    if name == "tiny":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = BertModel(BertConfig(**TINY_TEXT), add_pooling_layer=False)
    else:
        source = str(text_folder()) if name == "minilm" else _source(name)
        try:
            model = AutoModel.from_pretrained(source, dtype=torch.float32)
        except (OSError, ValueError, ImportError) as error:
            raise FeatureError(_unloadable("text_tower", name, error)) from None
    model = model.to(device).eval()

    def run(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        batch = tokenizer(
            list(texts), return_tensors="pt", padding=True, truncation=True, max_length=length
        ).to(device)
        ids, mask = batch["input_ids"], batch["attention_mask"]
        lengths = mask.sum(1)
        out = torch.zeros(len(ids), length, model.config.hidden_size, device=device)
        for rows in torch.argsort(lengths, stable=True).split(TOGETHER):
            longest = int(lengths[rows].max())
            part = mask[rows, :longest]
            hidden = model(input_ids=ids[rows, :longest], attention_mask=part).last_hidden_state
            out[rows, :longest] = hidden * part[:, :, None]
        return out, lengths

    return Tower(run, _info(name, model), tokenizer)


def load_tokenizer(key: str, name: str) -> Any:
    """Return the tokenizer of MiniLM, a hub name or a folder; FeatureError names `key`."""
    source = str(text_folder()) if name == "minilm" else _source(name)
    try:
        return AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, ImportError) as error:
        raise FeatureError(_unloadable(key, name, error)) from None


def token_tower(encoder: Encoder, length: int) -> Tower:
    """Return CLIP's text tower at every position: texts -> (n, L, d), lengths (n,).

    L is `length`, or all positions for 0.
    Each position, padding included, goes through the last norm and the tower's own projection
    (TIB-VA reads them all; its fork of CLIP is not published with the projection named).
    """
    model = encoder.model
    tower = getattr(model, "text", model)
    own = hasattr(tower, "ln_final")
    bottom = Split(model, 0, len(text_stages(model)) - (1 if own else 2)).text_bottom()

    def run(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        ids = encoder.tokenizer(list(texts)).to(encoder.device)
        if not own:
            ids = ids[:, : length or None]
            return tower.proj(bottom(ids)[0]), (ids != tower.config.pad_token_id).sum(1)
        hidden, projection = tower.ln_final(bottom(ids)[0]), tower.text_projection
        if projection is not None:
            hidden = projection(hidden) if callable(projection) else hidden @ projection
        ends = ids.argmax(1) + 1  # the end of a text has the largest id
        return hidden[:, : length or None], ends.clamp(max=length or ids.shape[1])

    return Tower(
        run, {"name": encoder.info["name"], "weights_sha256": encoder.info["weights_sha256"]}
    )


def squashed(image: Image.Image, size: int) -> Tensor:
    """Return a picture as uint8 (3, size, size): squashed, bicubic, as the study's CLIP sees it."""
    small = image.resize((size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)


def _source(name: str) -> str:
    """Return a local folder as an absolute path, any other name as it is."""
    folder = paths.resolve(name)
    return str(folder) if folder.is_dir() else name


def _info(name: str, model: torch.nn.Module) -> dict[str, str]:
    info = {"name": name, "weights_sha256": state_digest(model)}
    return info | ({"stands_in": STANDS_IN[name]} if name in STANDS_IN else {})


def _unloadable(key: str, name: str, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200]
    return f"{key}: {name!r} cannot be loaded ({reason}); the hub is needed once, or a local folder"

"""The three transformers of transformers 5, from a checkpoint or small with random weights.

What each wants, and what it would take without a word:
- VisualBERT: regions as wide as its `visual_embedding_dim`; 1024 of the nlvr2 checkpoint;
- LXMERT: regions of 2048 and their boxes, both, corners as shares of the picture; a narrower
  detector needs a learned adapter (`adapter: true`);
- ViLT: at most 40 text positions; pixels in -1..1; it samples its patches in random order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    LxmertConfig,
    LxmertModel,
    ViltConfig,
    ViltModel,
    VisualBertConfig,
    VisualBertModel,
)
from transformers.utils import logging

from lib import paths
from lib.memes.rivals.settings import POSITIONS, JointSettings, Rivals

HEAD = 16  # width of an attention head of a small model
PATCH = 16  # pixels of a patch of a small ViLT
WORDS = 30522  # of bert-base-uncased


class Joint(nn.Module):
    """A transformer with one pooled state of picture and text, `width` numbers."""

    reads: ClassVar[tuple[str, ...]]  # arrays of lib.memes.rivals.features, with `ids`
    width: int

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the pooled states (n, width) of a batch of arrays by name."""
        raise NotImplementedError


class VisualBert(Joint):
    """Word pieces and regions in one BERT (Li et al. 2019)."""

    reads = ("ids", "regions", "region_mask")

    def __init__(self, own: JointSettings, shapes: Mapping[str, tuple[int, ...]]):
        """Load or make the model; ValueError for regions of another width than it wants."""
        super().__init__()
        given = shapes["regions"][-1]
        small = _bert(own) | {"visual_embedding_dim": given}
        self.model = _model(VisualBertModel, VisualBertConfig, own, small)
        wanted = self.model.config.visual_embedding_dim
        if given != wanted:
            raise ValueError(
                f"visualbert: visual_embedding_dim is {wanted}, but regions have {given} numbers; "
                "its checkpoints: 1024 (nlvr2), 2048 (vqa), 512 (vcr)"
            )
        self.width = self.model.config.hidden_size

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """See Joint."""
        mask = batch["region_mask"].long()
        return self.model(
            input_ids=batch["ids"], attention_mask=(batch["ids"] != 0).long(),
            visual_embeds=batch["regions"], visual_attention_mask=mask,
            visual_token_type_ids=torch.ones_like(mask),
        ).pooler_output  # fmt: skip


class Lxmert(Joint):
    """An encoder a modality and one across (Tan and Bansal 2019)."""

    reads = ("ids", "regions", "boxes", "region_mask")

    def __init__(self, own: JointSettings, shapes: Mapping[str, tuple[int, ...]]):
        """Load or make the model; ValueError for regions of another width, without an adapter."""
        super().__init__()
        given = shapes["regions"][-1]
        small = {k: v for k, v in _bert(own).items() if k != "num_hidden_layers"}
        small |= {"l_layers": own.layers, "x_layers": 1, "r_layers": 1, "visual_feat_dim": given}
        self.model = _model(LxmertModel, LxmertConfig, own, small)
        wanted = self.model.config.visual_feat_dim
        if given != wanted and not own.adapter:
            raise ValueError(
                f"lxmert: visual_feat_dim is {wanted}, but regions have {given} numbers; "
                "adapter: true learns a map between them"
            )
        self.adapter = nn.Linear(given, wanted) if given != wanted else nn.Identity()
        self.width = self.model.config.hidden_size

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """See Joint; ValueError for boxes that are not shares of the picture."""
        boxes = batch["boxes"].float()
        if not ((boxes >= 0) & (boxes <= 1)).all():
            raise ValueError("lxmert: boxes must be shares of the picture, 0 to 1, not pixels")
        return self.model(
            input_ids=batch["ids"], attention_mask=(batch["ids"] != 0).float(),
            visual_feats=self.adapter(batch["regions"]), visual_pos=boxes,
            visual_attention_mask=batch["region_mask"].float(),
        ).pooled_output  # fmt: skip


class Vilt(Joint):
    """Word pieces and patches of 32 pixels in one transformer (Kim et al. 2021)."""

    reads = ("ids", "pixels")

    def __init__(self, own: JointSettings, shapes: Mapping[str, tuple[int, ...]]):
        """Load or make the model; ValueError for more text than it has positions."""
        super().__init__()
        side = shapes["pixels"][-1]
        small = _bert(own) | {"image_size": side, "patch_size": PATCH}
        small |= {"max_position_embeddings": POSITIONS["vilt"]}
        self.model = _model(ViltModel, ViltConfig, own, small)
        limit, patch = self.model.config.max_position_embeddings, self.model.config.patch_size
        if shapes["ids"][-1] > limit:
            raise ValueError(f"vilt: {limit} text positions, but texts of {shapes['ids'][-1]}")
        if side % patch:
            raise ValueError(f"vilt: pixels: {side} is no multiple of its patches of {patch}")
        self.width = self.model.config.hidden_size

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """See Joint."""
        pixels = batch["pixels"].float() / 127.5 - 1
        return self.model(
            input_ids=batch["ids"], attention_mask=(batch["ids"] != 0).long(),
            pixel_values=pixels, pixel_mask=torch.ones_like(pixels[:, 0]).long(),
        ).pooler_output  # fmt: skip


MODELS: dict[str, type[Joint]] = {"visualbert": VisualBert, "lxmert": Lxmert, "vilt": Vilt}


def check(settings: Rivals) -> None:
    """Raise ValueError, at once, where a checkpoint or a CUDA device will be missed."""
    for name in MODELS:
        own: JointSettings = getattr(settings, name)
        if own.gpu and not torch.cuda.is_available():
            raise ValueError(f"{name}.gpu: a CUDA device is needed, and torch finds none here")
        if own.checkpoint:
            _loaded(AutoConfig, own.checkpoint, name)


def shapes_of(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of arrays by name."""
    return {name: array.shape for name, array in arrays.items()}


def _bert(own: JointSettings) -> dict[str, int]:
    """Return the sizes of a small model, as all three configurations name them."""
    return {
        "hidden_size": own.width,
        "num_hidden_layers": own.layers,
        "num_attention_heads": max(1, own.width // HEAD),
        "intermediate_size": 2 * own.width,
        "vocab_size": WORDS,
        "pad_token_id": 0,
    }


def _model(cls: Any, config: Any, own: JointSettings, small: Mapping[str, Any]) -> Any:
    """Return a checkpoint's model, or a small one with weights of the caller's generator."""
    if not own.checkpoint:
        return cls(config(**small))
    return _loaded(cls, own.checkpoint, cls.__name__.removesuffix("Model").lower())


def _loaded(cls: Any, name: str, key: str) -> Any:
    """Load a hub name or a folder; ValueError, one line, where it cannot be had."""
    folder = paths.resolve(name)
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # a table of the pre-training heads that are left out
    try:
        return cls.from_pretrained(str(folder) if folder.is_dir() else name)
    except (OSError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{key}.checkpoint: {name!r} cannot be loaded ({reason})") from None
    finally:
        logging.set_verbosity(before)

"""Trunks: what encoders have in common, computed once.

Encoders that were aligned on the same frozen towers differ in their projections only. A trunk's
pooled vectors are kept in the scratch folder under a digest of its weights and of the very batch
that it was given, so the next encoder of the same trunk finds them, to the last bit, and nothing
can be out of date.
"""

from __future__ import annotations

import copy
import hashlib
import os
import threading
from pathlib import Path

import numpy as np
import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.timm_model import TimmModel

from lib import paths

FOLDER = "trunks"
REMEMBER = 512  # MB that are enough for the sample; the stage `embed` has a setting


class Remembered(torch.nn.Module):
    """An image-text model for inference that looks its trunks' vectors up before computing them."""

    def __init__(self, model: torch.nn.Module, megabytes: int):
        """Wrap `model`; of what was kept, the oldest above `megabytes` is let go."""
        super().__init__()
        self.visual, self.text = model.visual, model.text
        folder = paths.scratch(FOLDER)
        _let_go(folder, megabytes * 2**20)
        self._image = _Memo(_without(model.visual, "head"), folder)
        self._words = _Memo(_without(model.text, "proj"), folder)

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return image features (n, d) of pixels (n, 3, h, w), not normalised."""
        return self.visual.head(self._image(pixels))

    def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
        """Return text features (n, d) of token ids (n, l), not normalised."""
        return self.text.proj(self._words(ids))


class _Memo:
    """A trunk as a function of a batch, its results on disk by content."""

    def __init__(self, trunk: torch.nn.Module, folder: Path):
        self.trunk, self.folder = trunk, folder
        self.known = hashlib.blake2b(f"{torch.__version__} {trunk}".encode())
        for name, value in trunk.state_dict().items():
            self.known.update(f"{name} {tuple(value.shape)}".encode())
            self.known.update(value.numpy().tobytes())

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the pooled vectors (n, w) float32 of a batch."""
        digest = self.known.copy()
        digest.update(f"{tuple(batch.shape)} {batch.dtype}".encode())
        digest.update(batch.numpy().tobytes())
        file = self.folder / f"{digest.hexdigest()[:40]}.npy"
        try:
            return torch.from_numpy(np.load(file))
        except FileNotFoundError:  # never made, or let go by another process a moment ago
            made = self.trunk(batch)
        part = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}.part.npy")
        np.save(part, made.numpy())
        os.replace(part, file)
        return made


def remembered(model: torch.nn.Module, megabytes: int) -> torch.nn.Module:
    """Return the model with its trunks remembered, if both end in a pooled vector and a head.

    So do timm's and Hugging Face's towers; here in float32 and on the CPU. Any other model is
    returned as it is, and so is every model where `megabytes` is 0.
    """
    weight = next(model.parameters())
    plain = weight.dtype == torch.float32 and weight.device.type == "cpu"
    towers = model.visual, getattr(model, "text", None)
    known = isinstance(towers[0], TimmModel) and isinstance(towers[1], HFTextEncoder)
    return Remembered(model, megabytes) if megabytes and plain and known else model


def _without(tower: torch.nn.Module, head: str) -> torch.nn.Module:
    """Return a tower that shares all with the one given but leaves its head out."""
    trunk = copy.copy(tower)
    trunk._modules = dict(tower._modules)
    setattr(trunk, head, torch.nn.Identity())
    return trunk


def _let_go(folder: Path, limit: int) -> None:
    """Remove the oldest files of a folder until the rest is no larger than `limit` bytes."""
    found = [(file.stat().st_mtime_ns, file.stat().st_size, file) for file in folder.glob("*.npy")]
    total = 0
    for _, size, file in sorted(found, reverse=True):
        total += size
        if total > limit:
            file.unlink(missing_ok=True)

"""Trunks: what encoders have in common, computed once.

Encoders that were aligned on the same frozen towers differ in their projections only. A trunk's
pooled vectors are kept in the scratch folder under a digest of its weights and of the very batch
that it was given, or of the files that the batch is made of, which then need no decoding. So the
next encoder of the same trunk finds them, to the last bit, and nothing can be out of date.
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

    def encode_image(self, pixels: torch.Tensor, source: str = "") -> torch.Tensor:
        """Return image features (n, d) of pixels (n, 3, h, w), not normalised.

        source: digest of all that the pixels were made from, if `recall_image` is to find them.
        """
        return self.visual.head(self._image(pixels, source))

    def recall_image(self, source: str) -> torch.Tensor | None:
        """Return the features (n, d) of what was encoded under this source; None if none was."""
        kept = self._image.read(self._image.file(source))
        return None if kept is None else self.visual.head(kept)

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

    def __call__(self, batch: torch.Tensor, source: str = "") -> torch.Tensor:
        """Return the pooled vectors (n, w) float32 of a batch, kept by its bytes or its source."""
        file = self.file(source or batch)
        if (kept := self.read(file)) is not None:
            return kept
        made = self.trunk(batch)
        part = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}.part.npy")
        np.save(part, made.numpy())
        os.replace(part, file)
        return made

    def file(self, known_by: torch.Tensor | str) -> Path:
        """Return the file of a batch, by itself or by its source."""
        digest = self.known.copy()
        if isinstance(known_by, str):
            digest.update(f"source {known_by}".encode())
        else:
            digest.update(f"{tuple(known_by.shape)} {known_by.dtype}".encode())
            digest.update(known_by.numpy().tobytes())
        return self.folder / f"{digest.hexdigest()[:40]}.npy"

    def read(self, file: Path) -> torch.Tensor | None:
        """Return what a file holds; None if it was never made, or let go a moment ago."""
        try:
            kept = np.load(file)
        except FileNotFoundError:
            return None
        # In PyTorch's own memory, whose alignment is always the same: last bits depend on it.
        return torch.from_numpy(kept).clone()


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

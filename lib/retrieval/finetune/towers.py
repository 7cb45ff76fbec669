"""A model cut at its boundaries, as training and interpolation use it: weights in, features out.

Only the tensors above the boundaries are ever read or replaced; they are named as in the model's
own state, so a file of them is a valid part of an open_clip checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open

from lib import paths
from lib.boundary import Split, image_stages, text_stages
from lib.encoders import Encoder
from lib.retrieval.finetune import WHOLE, Recipe
from lib.retrieval.finetune.activations import Pictures, Titles, pictures, titles

State = Mapping[str, torch.Tensor]
PREFIX = "model."  # of a weight's name in a Split
ENCODE_BATCH = 256


class TunedError(RuntimeError):
    """A file of trained tensors does not belong to the encoder at hand; one line says why."""


class Tops(Split):
    """A Split that can checkpoint gradients; open_clip knows how only for a whole tower."""

    def __init__(self, model: torch.nn.Module, image: int, text: int, checkpointing: bool = False):
        """Freeze the bottoms; `checkpointing`: of the towers whose boundary is 0."""
        super().__init__(model, image, text)
        self.whole_image = checkpointing and image == 0
        self.whole_text = checkpointing and text == 0
        if self.whole_image or self.whole_text:
            model.set_grad_checkpointing(True)

    def encode_image(self, cached: torch.Tensor) -> torch.Tensor:
        """Return image features (n, d) of cached activations, not normalised."""
        if self.whole_image:
            return self.model.encode_image(self._like(cached))
        return super().encode_image(cached)

    def encode_text(self, cached: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Return text features (n, d) of cached (activations, ids), not normalised."""
        return self.model.encode_text(cached[1]) if self.whole_text else super().encode_text(cached)


class Towers:
    """An encoder cut by a recipe: activations of its bottoms, features of its tops."""

    def __init__(
        self,
        encoder: Encoder,
        recipe: Recipe,
        checkpointing: bool = False,
        block: int = 256,
        workers: int = 1,
    ):
        """Cut `encoder` in place: the weights below the boundaries no longer learn."""
        model = encoder.model
        counts = len(image_stages(model.visual)), len(text_stages(model))
        wanted = recipe.image_boundary, recipe.text_boundary
        self.boundaries = tuple(
            count if b == WHOLE else b for b, count in zip(wanted, counts, strict=True)
        )
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        self.encoder, self.block, self.workers = encoder, block, workers
        self.split = Tops(model, *self.boundaries, checkpointing).eval()
        self.zero = {name: value.detach().clone() for name, value in self._trained().items()}

    @property
    def digest(self) -> str:
        """The sha256 of the encoder's weights, which theta_1 files record."""
        return self.encoder.info["weights_sha256"]

    def pictures(self, root: Path, names: Sequence[str]) -> Pictures:
        """Return the frozen activations of pictures."""
        bottom, boundary = self.split.image_bottom(), self.boundaries[0]
        return pictures(self.encoder, bottom, boundary, root, names, self.block, self.workers)

    def titles(self, texts: Sequence[str]) -> Titles:
        """Return the frozen activations of texts."""
        bottom, boundary = self.split.text_bottom(), self.boundaries[1]
        return titles(self.encoder, bottom, boundary, texts, self.block, self.workers)

    def load(self, state: State) -> None:
        """Put trained tensors in their places; KeyError for one that is not trained here."""
        trained = self._trained()
        with torch.no_grad():
            for name, value in state.items():
                trained[name].copy_(value)

    def image_features(self, found: Pictures, rows: np.ndarray) -> np.ndarray:
        """Return unit-length features (n, d) float32 of some pictures; NaN where there is none."""
        parts = [found.take(rows[i : i + ENCODE_BATCH]) for i in _starts(rows)]
        return self._encode(self.split.encode_image, parts)

    def text_features(self, found: Titles, rows: np.ndarray) -> np.ndarray:
        """Return unit-length features (n, d) float32 of some texts; short ones run together."""
        order = np.argsort(found.lengths[rows], kind="stable")
        parts = [found.take(rows[order[i : i + ENCODE_BATCH]]) for i in _starts(rows)]
        made = self._encode(self.split.encode_text, parts)
        out = np.empty_like(made)
        out[order] = made
        return out

    def _encode(self, encode: Any, parts: list[Any]) -> np.ndarray:
        """Run a top over its inputs."""
        with torch.inference_mode():
            made = [F.normalize(encode(self.on_device(part)).float(), dim=-1) for part in parts]
        return torch.cat(made).cpu().numpy() if made else np.zeros((0, self.encoder.dim), "f4")

    def on_device(self, inputs: Any) -> Any:
        """Return a tensor, or a tuple of tensors, where the model is."""
        if isinstance(inputs, tuple):
            return tuple(one.to(self.encoder.device) for one in inputs)
        return inputs.to(self.encoder.device)

    def _trained(self) -> dict[str, torch.nn.Parameter]:
        """Return the weights that learn, by their names in the model."""
        return {
            name.removeprefix(PREFIX): value
            for name, value in self.split.named_parameters()
            if value.requires_grad
        }


def read_tuned(file: Path | str, towers: Towers) -> dict[str, torch.Tensor]:
    """Read trained tensors; TunedError unless they were made from this encoder, at these cuts."""
    file = paths.resolve(file)
    where = paths.relative(file)
    if not file.is_file():
        raise TunedError(f"{where}: no such file; run lib.retrieval.finetune")
    with safe_open(file, "pt") as saved:
        recorded = saved.metadata()["encoder_sha256"]
        if recorded != towers.digest:
            raise TunedError(
                f"{where}: tuned from another encoder than {towers.encoder.info['name']} "
                f"(recorded {recorded[:12]}…, found {towers.digest[:12]}…)"
            )
        if set(saved.keys()) != set(towers.zero):
            raise TunedError(f"{where}: holds other tensors than the recipe's boundaries train")
        return {name: saved.get_tensor(name) for name in towers.zero}


def _starts(rows: np.ndarray) -> range:
    return range(0, len(rows), ENCODE_BATCH)

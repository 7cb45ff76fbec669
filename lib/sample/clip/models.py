"""One of the two sample encoders: trained on activations in the scratch folder, measured, saved.

Each is made in a process of its own, side by side with the other.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from lib.boundary import Split
from lib.checkpoints import save_local_dir
from lib.embeddings import digest_of
from lib.metrics import mrr
from lib.sample.clip import ClipSettings, recall, towers
from lib.sample.clip.align import CachedBatches, Texts
from lib.sample.clip.pictures import Item
from lib.training import fit

MODELS = {  # name -> artists whose scenes it is trained on
    "sample_clip_l": ("openmoji",),
    "sample_clip_h": ("openmoji", "twemoji"),
}
Sets = dict[str, list[Item]]


@dataclass(frozen=True)
class Data:
    """What both models are made from; the activations of `sets` and captions lie in `scratch`."""

    settings: ClipSettings
    sets: Sets
    trials: list[recall.Trial]
    scratch: Path

    def images_file(self, name: str) -> Path:
        """Return the file of a set's activations."""
        return self.scratch / f"{name.replace(' ', '_').replace(',', '')}.st"

    def images(self, name: str) -> torch.Tensor:
        """Return the activations of a set's pictures (n, …) float16."""
        return load_file(self.images_file(name))["image"]

    @property
    def texts_file(self) -> Path:
        """The file of the captions' activations."""
        return self.scratch / "texts.st"

    def texts(self) -> Texts:
        """Return the captions' activations."""
        index = {text: row for row, text in enumerate(self.captions())}
        return Texts(index, **load_file(self.texts_file))

    def captions(self) -> list[str]:
        """Return all captions and queries of both models, each once, sorted."""
        captions = {text for items in self.sets.values() for i in items for text in i.captions}
        queries = {text for trial in self.trials for text in recall.query_texts(trial.items)}
        return sorted(captions | queries)


def build(settings: ClipSettings) -> tuple[torch.nn.Module, Split]:
    """Return the untrained model and its split at the frozen boundaries."""
    model = towers.build(settings.dim, settings.image_size, settings.seed)
    return model, Split(model, settings.image_boundary, settings.text_boundary).eval()


def align_model(job: tuple[str, Data, Path]) -> tuple[list[dict[str, Any]], float]:
    """Train one model into `out`/name; return its rows of the recall table, and its seconds."""
    started = time.perf_counter()
    name, data, out = job
    settings, texts = data.settings, data.texts()
    model, split = build(settings)
    history = train(split, MODELS[name], data, texts, data.scratch / f"{name}.ckpt")
    config = towers.model_config(settings.dim, settings.image_size)
    save_local_dir(model, out / name, config, towers.text_files())
    rows = []
    for trial in data.trials:
        made = recall.measure(split, data.images(trial.name), texts, trial, settings.seed)
        rows += [{"model": name, "epochs": len(history)} | row for row in made]
    return rows, round(time.perf_counter() - started, 1)


def train(
    split: Split, artists: tuple[str, ...], data: Data, texts: Texts, checkpoint: Path
) -> list[dict[str, float]]:
    """Align one model on the scenes of `artists`; return its history."""
    settings = data.settings
    items = [item for artist in artists for item in data.sets[f"train {artist}"]]
    cached = torch.cat([data.images(f"train {artist}") for artist in artists])
    batches = CachedBatches(cached, items, texts, settings.batch, settings.seed, settings.dropout)
    shown = {artist: data.images(f"validation {artist}") for artist in artists}
    return fit(
        split,
        batches,
        settings.train,
        lambda: _validate(split, data.sets, shown, texts),
        is_new=lambda name: name.startswith(("model.visual.head", "model.text.proj")),
        checkpoint=checkpoint,
        key=digest_of([checkpoint.stem, checkpoint.parent.name]),
    )


def _validate(split: Split, sets: Sets, shown: dict[str, torch.Tensor], texts: Texts) -> float:
    """Return the mean reciprocal rank of validation captions, over the artists `shown`."""
    scores = []
    for artist, images in shown.items():
        items = sets[f"validation {artist}"]
        text = recall.encode_texts(split, texts, [item.captions[0] for item in items])
        image = recall.encode_images(split, images)
        right = np.arange(len(items))
        scores += [mrr(text @ image.T, right).mean(), mrr(image @ text.T, right).mean()]
    return float(np.mean(scores))

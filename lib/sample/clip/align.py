"""Alignment of the two towers: activations cached at the boundary, then the common loop."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tqdm.auto import tqdm

from lib.boundary import Split, image_bottom
from lib.encoders import one_thread_each
from lib.sample.clip import towers
from lib.sample.clip.pictures import Item, render
from lib.workers import worker_count

CHUNK = 16  # pictures rendered and run at once; a small batch stays in the cores' caches
CAPTION_BATCH = 64
MAX_TOKENS = 24  # captions of training and evaluation are shorter

_worker: dict[str, Any] = {}  # a rendering process keeps its frozen image bottom here


@dataclass(frozen=True)
class Texts:
    """Unique captions at the text boundary: float16 (m, l, w), or (m, w) pooled; ids (m, l)."""

    index: dict[str, int]
    hidden: torch.Tensor
    ids: torch.Tensor


class CachedBatches:
    """Training batches over cached pictures and captions (see lib.training.Batches)."""

    def __init__(
        self,
        images: torch.Tensor,
        items: Sequence[Item],
        texts: Texts,
        batch: int,
        seed: int,
        dropout: float = 0.0,
    ):
        """Take activations (n, …) of `items`, in order, and the captions' `texts`.

        A share `dropout` of the activations is left out of each batch: it keeps projections that
        learn from so few concepts from leaning on any one feature.
        """
        self.dropout = dropout
        self.images, self.texts, self.batch, self.seed = images, texts, batch, seed
        self.steps = len(items) // batch
        self.captions = np.array([[texts.index[text] for text in i.captions] for i in items])
        leads = {lead: number for number, lead in enumerate(sorted({i.lead for i in items}))}
        self.leads = torch.tensor([leads[item.lead] for item in items])

    def epoch(self, number: int) -> Iterator[tuple[Any, Any, torch.Tensor]]:
        """Yield shuffled batches; each picture comes with one of its captions, drawn anew."""
        rng = np.random.default_rng([self.seed, 3, number])
        order = rng.permutation(len(self.leads))[: self.steps * self.batch]
        for rows in order.reshape(self.steps, self.batch):
            chosen = self.captions[rows, rng.integers(self.captions.shape[1], size=len(rows))]
            ids = self.texts.ids[chosen]
            longest = int((ids != 0).sum(1).max())
            hidden = self._thinned(self.texts.hidden[chosen])
            text = (hidden[:, :longest] if hidden.ndim == 3 else hidden, ids[:, :longest])
            yield self._thinned(self.images[rows]), text, self.leads[rows]

    def _thinned(self, activations: torch.Tensor) -> torch.Tensor:
        """Return activations with a random share of them dropped, the rest scaled up."""
        return F.dropout(activations.float(), self.dropout)


@contextmanager
def helpers(size: int, boundary: int, workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Give a `map` over processes that can paint; with one worker it is this process.

    Composing is Python and training is small products, so both run in processes of one core each.
    On Linux they are forked: that saves each the seconds in which PyTorch is imported.
    """
    workers = worker_count(workers)
    if workers == 1:
        _start(size, boundary)
        yield map
        return
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(workers, context, _start, (size, boundary)) as pool:
        yield pool.map


def paint(
    over: Callable[..., Iterator[Any]], items: Sequence[Item], size: int, name: str
) -> torch.Tensor:
    """Return the activations (n, …) float16 of items at the frozen image boundary, in order.

    `over` is the map of `helpers`.
    """
    chunks = [(items[i : i + CHUNK], size) for i in range(0, len(items), CHUNK)]
    made = tqdm(over(_activations, chunks), total=len(chunks), desc=name)
    return torch.from_numpy(np.concatenate(list(made)))


def cache_texts(split: Split, tokenizer: Any, captions: Sequence[str], workers: int = 1) -> Texts:
    """Return the unique captions at the frozen boundary of the text tower."""
    unique = sorted(set(captions))
    ids = tokenizer(unique)[:, :MAX_TOKENS]
    lengths = (ids != 0).sum(1)
    parts = torch.argsort(lengths, stable=True).split(CAPTION_BATCH)
    bottom = split.text_bottom()

    def run(rows: torch.Tensor) -> torch.Tensor:
        longest = int(lengths[rows].max())
        with torch.inference_mode():
            made = bottom(ids[rows, :longest])[0].half()
        return made if made.ndim == 2 else F.pad(made, (0, 0, 0, MAX_TOKENS - longest))

    with one_thread_each(), ThreadPoolExecutor(worker_count(workers)) as pool:
        made = list(tqdm(pool.map(run, parts), total=len(parts), desc="captions"))
    hidden = torch.empty(len(unique), *made[0].shape[1:], dtype=torch.float16)
    hidden[torch.cat(parts)] = torch.cat(made).clone()
    return Texts({text: row for row, text in enumerate(unique)}, hidden, ids)


def pixels(images: Sequence[Any]) -> torch.Tensor:
    """Return PIL pictures as the vision tower's input (n, 3, h, w), -1..1."""
    stacked = torch.from_numpy(np.stack([np.asarray(image) for image in images]))
    return stacked.permute(0, 3, 1, 2).float() / 127.5 - 1


def _start(size: int, boundary: int) -> None:
    """Set up a rendering process: one thread, and the frozen bottom."""
    torch.set_num_threads(1)
    _worker["bottom"] = image_bottom(towers.vision(1, size), boundary)


def _activations(job: tuple[Sequence[Item], int]) -> np.ndarray:
    """Render a chunk and return its activations."""
    items, size = job
    with torch.inference_mode():
        made = _worker["bottom"](pixels([render(item, size) for item in items]))
    return made.half().contiguous().numpy()

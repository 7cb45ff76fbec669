"""Recall of the sample encoders, on what they were not shown: new scenes, artists, concepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from lib.boundary import Split
from lib.metrics import chance, recall_at_k
from lib.sample import pictograms, words
from lib.sample.clip.align import Texts
from lib.sample.clip.pictures import Item, draw_items, draw_singles, prompt

KS = (1, 5, 10)
PHRASINGS = ("a photo of {a}", "{x}", "a picture of {a}")  # one draw of queries each
RESAMPLES = 1000


@dataclass(frozen=True)
class Trial:
    """One test: query rows against a gallery of pictures; `queries` are positions in `items`."""

    name: str
    items: list[Item]
    queries: np.ndarray


def trials(
    seen: Sequence[str], unseen: Sequence[str], count: int, strength: float, seed: int
) -> list[Trial]:
    """Return the tests, galleries of `count` concepts each where there are so many.

    Of seen concepts: degraded scenes with companions, and the second artists' single drawings. Of
    unseen ones: single drawings among themselves (each the only one of its concept), and, harder,
    half the gallery unseen and half seen, degraded, so that a model is not told which are new.
    """
    rng = np.random.default_rng([seed, 4])
    things = set(pictograms.catalogue()["emoji"])
    leads = [seen[i] for i in rng.permutation(len(seen)) if seen[i] in things][:count]
    mixed = draw_items(leads, "openmoji", len(leads), strength, seed + 10)
    other = draw_singles(leads, "twemoji", 0.0, seed + 11)
    new = draw_singles(unseen[:count], "openmoji", 0.0, seed + 20)
    half = [emoji for emoji in unseen if emoji in things][: count // 2]
    both = draw_singles([*half, *leads[: len(half)]], "openmoji", strength, seed + 21)
    return [
        Trial("seen concepts, new compositions", mixed, np.arange(len(mixed))),
        Trial("seen concepts, second artists", other, np.arange(len(other))),
        Trial("unseen concepts", new, np.arange(len(new))),
        Trial("unseen concepts among seen ones, degraded", both, np.arange(len(half))),
    ]


def query_texts(items: Sequence[Item]) -> list[str]:
    """Return every text that `measure` needs for these items."""
    return [prompt(pattern, words.synonyms(i.lead)[0]) for pattern in PHRASINGS for i in items]


def measure(
    split: Split, images: torch.Tensor, texts: Texts, trial: Trial, seed: int
) -> list[dict[str, Any]]:
    """Return rows: test, direction, k, recall with a 95 % bootstrap interval over queries, chance.

    Each query counts with the mean over PHRASINGS. A picture is right for every thing it shows.
    """
    image = encode_images(split, images)
    shown = [set(item.scene.subjects) for item in trial.items]
    right = np.array([[i.lead in things for things in shown] for i in trial.items])
    hits: dict[tuple[str, int], list[np.ndarray]] = {}
    for pattern in PHRASINGS:
        queries = [prompt(pattern, words.synonyms(i.lead)[0]) for i in trial.items]
        scores = encode_texts(split, texts, queries) @ image.T
        for direction, table, target in (
            ("text→image", scores, right), ("image→text", scores.T, right.T)
        ):  # fmt: skip
            made = recall_at_k(table[trial.queries], target[trial.queries], KS)
            for k, values in made.items():
                hits.setdefault((direction, k), []).append(values)
    rng = np.random.default_rng([seed, 5])
    picks = rng.integers(len(trial.queries), size=(RESAMPLES, len(trial.queries)))
    return [
        _row(trial, direction, k, np.mean(values, axis=0), picks)
        for (direction, k), values in hits.items()
    ]


def _row(
    trial: Trial, direction: str, k: int, values: np.ndarray, picks: np.ndarray
) -> dict[str, Any]:
    """Return one line of the recall table."""
    low, high = np.quantile(values[picks].mean(1), [0.025, 0.975])
    return {
        "test": trial.name, "direction": direction, "gallery": len(trial.items),
        "queries": len(trial.queries), "k": k, "recall": round(float(values.mean()), 4),
        "low": round(float(low), 4), "high": round(float(high), 4),
        "chance": round(chance(len(trial.items), KS)[k], 4),
    }  # fmt: skip


def encode_images(split: Split, images: torch.Tensor) -> np.ndarray:
    """Return unit-length features (n, d) of cached pictures."""
    with torch.inference_mode():
        made = [F.normalize(split.encode_image(part), dim=-1) for part in images.split(128)]
    return torch.cat(made).numpy()


def encode_texts(split: Split, texts: Texts, queries: Sequence[str]) -> np.ndarray:
    """Return unit-length features (n, d) of cached texts."""
    rows = torch.tensor([texts.index[query] for query in queries])
    with torch.inference_mode():
        made = [
            F.normalize(split.encode_text((texts.hidden[part], texts.ids[part])), dim=-1)
            for part in rows.split(256)
        ]
    return torch.cat(made).numpy()

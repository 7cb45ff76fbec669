"""What the retrieval study works on: settings, test sets, features at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.data.readers.newsimages import tags
from lib.embeddings import Embeddings
from lib.encoders import Encoder
from lib.retrieval import INTERNAL
from lib.retrieval.finetune import FinetuneRetrieval, Recipe
from lib.retrieval.finetune.features import FeatureCache, Weights
from lib.retrieval.finetune.towers import Towers
from lib.retrieval.hubs import METHODS, TEMPERATURES

AGGREGATIONS = ("title", "mean", "max", "embedding_mean")
GRID = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
Rewrite = Callable[[Sequence[str]], list[str | None]]


@dataclass(frozen=True)
class WiseFtRetrieval:
    """Settings of the section `wise_ft_retrieval`."""

    tuned_encoder: str = ""  # of the 2022 study; "": the first of encoders
    encoders: tuple[str, ...] = ("sample_clip_l", "sample_clip_h")  # 2023: runs 2 to 5, run 1
    tuned: tuple[str, ...] = ("2022-rt", "2022-twitter", "2022-rss")  # runs, and their sources
    text_run: str = "2023-text"  # run of the 2023 paper
    tests: tuple[str, ...] = ("2023-p1", "2023-p2", "2023-rt")  # its test sets
    forgotten: tuple[str, ...] = ()  # test sets of the frontier besides the own; none = all
    alphas: tuple[float, ...] = GRID
    tower_alphas: tuple[float, ...] = GRID  # of either tower: all combinations
    line_alphas: tuple[float, ...] = (0.0, 0.2, 0.4)
    line_betas: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)
    ensemble_weights: tuple[float, ...] = GRID  # of the fine-tuned features
    methods: tuple[str, ...] = tuple(METHODS)
    temperatures: tuple[float, ...] = TEMPERATURES  # on cosines
    temperature: float = 0.01  # of the tables; the paper prints none
    aggregations: tuple[str, ...] = AGGREGATIONS
    bank: int = 1500  # titles of train splits that inductive methods refer to
    top: int = 100  # images kept of each query's list

    @property
    def encoder_2022(self) -> str:
        """The encoder whose two towers are tuned."""
        return self.tuned_encoder or self.encoders[0]

    @property
    def all_encoders(self) -> tuple[str, ...]:
        """Encoders of both studies."""
        return tuple(dict.fromkeys((self.encoder_2022, *self.encoders)))

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        grids = "alphas", "tower_alphas", "line_alphas", "line_betas", "ensemble_weights"
        for key in grids:
            if not all(0 <= value <= 1 for value in getattr(self, key)):
                raise ValueError(f"{key}: must be in 0..1, got {list(getattr(self, key))}")
        if not {0.0, 1.0} <= set(self.alphas):
            raise ValueError(f"alphas: need both ends, 0 and 1, got {list(self.alphas)}")
        for key, known in (("methods", METHODS), ("aggregations", AGGREGATIONS)):
            if unknown := set(getattr(self, key)) - set(known):
                raise ValueError(f"{key}: {sorted(unknown)[0]!r} is none of {', '.join(known)}")
        if min(*self.temperatures, self.temperature) <= 0:
            raise ValueError("temperatures: must be above 0")
        if self.temperature not in self.temperatures:
            raise ValueError(f"temperature: {self.temperature:g} is not among temperatures")
        if min(self.bank, self.top) < 1 or not self.encoders:
            raise ValueError("bank, top: must be at least 1, and one encoder is needed")


@dataclass(frozen=True)
class TestSet:
    """Queries against a gallery; all arrays are rows of the pairs table, or positions."""

    name: str
    split: str
    rows: np.ndarray  # (n,) rows of the pairs table that belong to it
    queries: np.ndarray  # (q,) rows with a text
    gallery: np.ndarray  # (g,) rows with a readable picture
    right: np.ndarray  # (q,) position in the gallery of a query's own picture, -1 when unknown
    shared: Mapping[int, np.ndarray]  # query -> positions right too: another's of the same title

    __test__ = False  # no test of pytest's

    @property
    def known(self) -> np.ndarray:
        """(k,) queries whose picture is known."""
        return np.flatnonzero(self.right >= 0)

    def within(self, rows: np.ndarray) -> np.ndarray:
        """Return the positions in `self.rows` of some of its rows."""
        return np.searchsorted(self.rows, rows)


def test_set(
    pairs: pd.DataFrame, readable: np.ndarray, name: str, sources: Sequence[str], *splits: str
) -> TestSet:
    """Return the set of some sources and splits; readable (N,): rows whose picture was read.

    A query whose picture cannot be read has no right answer. ValueError when there is no query or
    no picture.
    """
    chosen = pairs["source"].isin(sources) & pairs["split"].isin(splits)
    rows = np.flatnonzero(chosen)
    has_text = (pairs["text"] != "").to_numpy()[rows]
    queries, gallery = rows[has_text], rows[readable[rows]]
    if not len(queries) or not len(gallery):
        what = "a title" if len(gallery) else "a readable picture"
        raise ValueError(f"set {name}: no {' or '.join(splits)} row of {list(sources)} has {what}")
    place = np.full(len(pairs), -1)
    place[gallery] = np.arange(len(gallery))
    title = pairs["text"].str.casefold()
    at = pd.Series(np.arange(len(gallery))).groupby(title.iloc[gallery].to_numpy()).agg(list)
    shared = {
        number: np.array(found)
        for number, text in enumerate(title.iloc[queries])
        if len(found := at.get(text, ())) > 1
    }
    return TestSet(name, "+".join(splits), rows, queries, gallery, place[queries], shared)


test_set.__test__ = False


def kinds(pairs: pd.DataFrame, known: Mapping[str, str] | None = None) -> np.ndarray:
    """Return (N,) person, scene or "" of every row.

    known: pair id -> kind, from a sample's card; otherwise GDELT's tags tell who is named.
    """
    if known is not None:
        return pairs["id"].map(known).fillna("").to_numpy(object)
    if "snippet" not in pairs:
        return np.full(len(pairs), "", object)
    found = [tags(snippet) for snippet in pairs["snippet"]]
    return np.array(["" if t is None else ("person" if t[0] else "scene") for t in found], object)


class Inputs:
    """The pairs, the encoders with their features, the trained runs; opened when first needed."""

    def __init__(
        self,
        pairs: pd.DataFrame,
        root: Path,
        settings: WiseFtRetrieval,
        finetune: FinetuneRetrieval,
        load: Mapping[str, Callable[[], Encoder]],
        embeddings: Mapping[str, Embeddings],
        models: Path,
        rewrite: Rewrite,
        kind: Mapping[str, str] | None = None,
    ):
        """Take tables and folders.

        root: of the pictures; load: encoder name -> a function that loads it anew; embeddings: the
        same names; models: folder of the runs of lib.retrieval.finetune; rewrite: the paraphraser;
        kind: pair id -> person or scene, where it is known.
        """
        self.pairs, self.root, self.settings = pairs.reset_index(drop=True), root, settings
        self.finetune, self.load, self.embeddings = finetune, load, embeddings
        self.models, self.rewrite = models, rewrite
        self.kind = kinds(self.pairs, kind)
        self._towers: dict[tuple[str, Recipe], FeatureCache] = {}
        for run in settings.tuned:
            finetune.recipe_of(run)  # refuses an unknown one
            if (source := finetune.runs[run].source) != run:
                raise ValueError(f"tuned: run {run!r} must bear its source's name, {source!r}")
        for name in settings.all_encoders:
            if name not in load or name not in embeddings:
                raise ValueError(f"encoders: no model or no embeddings of {name!r}")

    @cached_property
    def readable(self) -> np.ndarray:
        """(N,) rows whose picture every encoder could read."""
        names = self.settings.all_encoders
        return np.all([self.embeddings[name].valid for name in names], axis=0)

    def cache(self, run: str) -> FeatureCache:
        """Return the towers and features of a run's recipe, on the encoder that it tunes."""
        s = self.settings
        name = s.encoders[0] if run == s.text_run else s.encoder_2022
        key = name, self.finetune.recipe_of(run)
        if key not in self._towers:
            options = self.finetune.block, self.finetune.workers
            self._towers[key] = FeatureCache(Towers(self.load[name](), key[1], False, *options))
        return self._towers[key]

    def test(self, name: str, *splits: str) -> TestSet:
        """Return a source's set, or the internal one: train and validation of 2022."""
        if name == INTERNAL:
            sources = self.settings.tuned
            return test_set(self.pairs, self.readable, name, sources, "train", "validation")
        return test_set(self.pairs, self.readable, name, [name], *(splits or ("test",)))

    def texts(self, rows: np.ndarray) -> list[str]:
        """Return the titles of some rows."""
        return self.pairs["text"].iloc[rows].tolist()

    def bank_rows(self) -> np.ndarray:
        """Return rows of train titles, evenly thinned to `bank`: no test query is among them."""
        train = (self.pairs["split"] == "train") & (self.pairs["text"] != "")
        rows = np.flatnonzero(train)
        keep = np.linspace(0, len(rows) - 1, min(len(rows), self.settings.bank))
        return rows[np.unique(keep.round().astype(int))] if len(rows) else rows

    def theta(self, run: str, seed: int) -> Path:
        """Return the file of a run's trained tensors."""
        return self.models / run / f"seed{seed}" / "theta1.safetensors"


@dataclass
class SetFeatures:
    """A set with its activations: features of any weights, (q, d) of titles and (g, d) images."""

    where: TestSet
    inputs: Inputs
    cache: FeatureCache

    @cached_property
    def _pictures(self) -> Any:
        names = self.inputs.pairs["image"].iloc[self.where.rows].tolist()
        return self.cache.towers.pictures(self.inputs.root, names)

    @cached_property
    def _titles(self) -> tuple[Any, np.ndarray]:
        codes, texts = pd.factorize(np.array(self.inputs.texts(self.where.queries), object))
        return self.cache.towers.titles(list(texts)), codes

    def text(self, weights: Weights) -> np.ndarray:
        """Return unit features of the queries' titles."""
        found, codes = self._titles
        return self.cache.texts(weights, found)[codes]

    def image(self, weights: Weights) -> np.ndarray:
        """Return unit features of the gallery."""
        return self.cache.images(weights, self._pictures)[self.where.within(self.where.gallery)]

    def mixed(self, zero: Weights, tuned: Weights, weight: float) -> tuple[np.ndarray, np.ndarray]:
        """Return both towers' features averaged in the embedding space, unit length again."""
        out = []
        for tower in (self.text, self.image):
            both = (1 - weight) * tower(zero) + weight * tower(tuned)
            out.append((both / np.linalg.norm(both, axis=1, keepdims=True)).astype(np.float32))
        return out[0], out[1]

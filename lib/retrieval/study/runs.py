"""The 2023 study: five named runs, every hubness method, every way to pool title and paraphrase.

All runs search with a title and one paraphrase of it. The paper pools before or after the dual
softmax, it does not say which; here the similarities are pooled, then revised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from lib.encoders import encode_texts
from lib.retrieval import INTERNAL
from lib.retrieval.finetune.activations import Titles
from lib.retrieval.finetune.features import Interpolator, Weights
from lib.retrieval.hubs import METHODS, k_occurrence
from lib.retrieval.study.inputs import Inputs, TestSet
from lib.retrieval.study.scores import Ledger, adjusted, best, ranked, similarity
from lib.retrieval.topk import TopK

PAPER = "mean"  # the paper's pooling of title and paraphrase
NEIGHBOURS = 10  # of the k-occurrence


@dataclass(frozen=True)
class NamedRun:
    """A run of the 2023 paper: its encoder (first: tuned one, last: the other), and method."""

    name: str
    label: str
    encoder: int
    tuned: bool
    method: str


RUNS = (
    NamedRun("run1", "ViT-H/14 + DS", -1, False, "dual_softmax"),
    NamedRun("run2", "ViT-L/14@336", 0, False, "plain"),
    NamedRun("run3", "ViT-L/14@336 + DS", 0, False, "dual_softmax"),
    NamedRun("run4", "ViT-L/14@336 fine-tuned", 0, True, "plain"),
    NamedRun("run5", "ViT-L/14@336 fine-tuned + DS", 0, True, "dual_softmax"),
)


@dataclass(frozen=True)
class Base:
    """What similarities are computed from: an encoder, tuned with a seed or not (-1)."""

    encoder: str
    seed: int

    @property
    def system(self) -> str:
        """Name of the system."""
        return "zero_shot" if self.seed < 0 else "fine_tuned"


@dataclass(frozen=True)
class Revision:
    """A hubness method with its temperature and reference queries."""

    method: str
    temperature: float
    bank: str


@dataclass(frozen=True)
class Kept:
    """What the runs give besides the rows of queries."""

    lists: list[tuple[dict[str, Any], TestSet, TopK]]
    hubness: list[pd.DataFrame]


class Views:
    """Features of a title and of its paraphrase, by any base."""

    def __init__(self, inputs: Inputs):
        """Open the towers of the text run."""
        self.inputs, self.run = inputs, inputs.settings.text_run
        self.cache = inputs.cache(self.run)
        self._made: dict[str, np.ndarray] = {}

    def bases(self) -> list[Base]:
        """Return every encoder without training, and the first one with every seed of it."""
        names = dict.fromkeys((self.inputs.settings.encoders[0], self.inputs.settings.encoders[-1]))
        tuned = [Base(next(iter(names)), seed) for seed in self.inputs.finetune.seeds]
        return [*(Base(name, -1) for name in names), *tuned]

    @cached_property
    def _wordings(self) -> tuple[list[str], dict[str, int], dict[str, str]]:
        """All titles and paraphrases once, their places, and title -> paraphrase or itself."""
        names = (*self.inputs.settings.tests, INTERNAL)
        rows = [self.inputs.bank_rows(), *(self.inputs.test(name).queries for name in names)]
        titles = list(dict.fromkeys(self.inputs.texts(np.concatenate(rows))))
        made = self.inputs.rewrite(titles)
        other = {old: new or old for old, new in zip(titles, made, strict=True)}
        unique = list(dict.fromkeys([*titles, *other.values()]))
        return unique, {text: place for place, text in enumerate(unique)}, other

    @cached_property
    def _titles(self) -> Titles:
        """Frozen activations of all wordings."""
        return self.cache.towers.titles(self._wordings[0])

    def texts(self, base: Base, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return unit features (n, d) of titles and paraphrases; without one, the title again."""
        _, place, other = self._wordings
        titles = self.inputs.texts(rows)
        features = self._features(base)
        first = features[[place[title] for title in titles]]
        return first, features[[place[other[title]] for title in titles]]

    def _features(self, base: Base) -> np.ndarray:
        """Return unit features of all wordings, made once a base."""
        unique, _, _ = self._wordings
        if base.encoder == self.inputs.settings.encoders[0]:
            return self.cache.texts(self._weights(base), self._titles)
        if base.encoder not in self._made:
            self._made[base.encoder] = self._untuned(base.encoder, unique)
        return self._made[base.encoder]

    def _untuned(self, name: str, unique: list[str]) -> np.ndarray:
        """Return an untuned encoder's features: of titles its embeddings, the rest encoded."""
        rows = pd.Series(np.arange(len(self.inputs.pairs)), self.inputs.pairs["text"])
        row = rows[~rows.index.duplicated()].reindex(unique).to_numpy()
        known = np.isfinite(row)
        out = np.empty((len(unique), self.inputs.embeddings[name].text.shape[1]), np.float32)
        out[known] = self.inputs.embeddings[name].text[row[known].astype(int)]
        new = [text for text, there in zip(unique, known, strict=True) if not there]
        if new:
            out[~known] = encode_texts(self.inputs.load[name](), new)
        return unit(out)

    def images(self, base: Base, rows: np.ndarray) -> np.ndarray:
        """Return unit features of pictures, from the embeddings: no run tunes the image tower."""
        return unit(self.inputs.embeddings[base.encoder].image[rows])

    def _weights(self, base: Base) -> Weights:
        seed = self.inputs.finetune.seeds[0] if base.seed < 0 else base.seed
        between = Interpolator(self.cache.towers, self.inputs.theta(self.run, seed))
        return between.at(0.0 if base.seed < 0 else 1.0)


def unit(features: np.ndarray) -> np.ndarray:
    """Return rows of unit length in float32."""
    wide = np.asarray(features, np.float32)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)


def study(inputs: Inputs, ledger: Ledger) -> Kept:
    """Score the five runs, all methods and all poolings, on the 2023 tests and internally."""
    views, out = Views(inputs), Kept([], [])
    for name in (*inputs.settings.tests, INTERNAL):
        where = inputs.test(name)
        for base in views.bases():
            _one(inputs, views, where, base, ledger, out)
    return out


def _one(
    inputs: Inputs, views: Views, where: TestSet, base: Base, ledger: Ledger, out: Kept
) -> None:
    """Score one base on one set."""
    s = inputs.settings
    texts, image = views.texts(base, where.queries), views.images(base, where.gallery)
    main = base.seed in (-1, inputs.finetune.seeds[0])
    sweep = main and where.name != INTERNAL
    bank_views = views.texts(base, inputs.bank_rows()) if sweep else ()
    for aggregation in dict.fromkeys((PAPER, *(s.aggregations if sweep else ()))):
        scores = similarity(texts, image, aggregation)
        full = sweep and aggregation == PAPER
        bank = similarity(bank_views, image, aggregation) if full and len(bank_views[0]) else None
        for revision in _revisions(inputs, full, aggregation == PAPER, bank is not None):
            seen = bank if revision.bank == "inductive" else None
            final = adjusted(scores, revision.method, revision.temperature, seen)
            _add(inputs, ledger, where, base, revision, aggregation, final)
            if full:
                out.hubness.append(_hubness(inputs, where, base, revision, final))
            if sweep and aggregation == PAPER:
                _keep(inputs, where, base, revision, final, out)


def _revisions(inputs: Inputs, full: bool, paper: bool, bank: bool) -> Iterator[Revision]:
    """Yield the revisions to score: all of them, or the paper's two (poolings: one temperature)."""
    s = inputs.settings
    for name in s.methods if full else ("plain", "dual_softmax"):
        tempered = METHODS[name].tempered
        grid = (s.temperatures if paper else (s.temperature,)) if tempered else (np.nan,)
        for temperature in grid:
            if name == "plain":
                yield Revision(name, temperature, "")
                continue
            yield Revision(name, temperature, "transductive")
            if full and bank:
                yield Revision(name, temperature, "inductive")


def _add(
    inputs: Inputs,
    ledger: Ledger,
    where: TestSet,
    base: Base,
    revision: Revision,
    aggregation: str,
    final: Tensor,
) -> None:
    """Add rows under the system's own name, and again under a run's where it is one."""
    if not len(where.known):
        return
    columns = ranked(final, where).columns()
    systems = [base.system]
    if aggregation == PAPER:
        systems += [run.name for run in _runs_of(inputs, base, revision)]
    for system in systems:
        ledger.add(
            where, columns, system=system, encoder=base.encoder, seed=base.seed,
            tuned=inputs.settings.text_run if base.seed >= 0 else "", method=revision.method,
            temperature=revision.temperature, bank=revision.bank, aggregation=aggregation,
        )  # fmt: skip


def _runs_of(inputs: Inputs, base: Base, revision: Revision) -> list[NamedRun]:
    """Return the named runs that a base with a revision is."""
    if revision.bank == "inductive":
        return []
    return [
        run
        for run in RUNS
        if inputs.settings.encoders[run.encoder] == base.encoder
        and run.tuned == (base.seed >= 0)
        and run.method == revision.method
    ]


def _keep(
    inputs: Inputs, where: TestSet, base: Base, revision: Revision, final: Tensor, out: Kept
) -> None:
    """Keep the ranked lists of the runs, at the temperature of the tables."""
    if revision.method != "plain" and revision.temperature != inputs.settings.temperature:
        return
    for run in _runs_of(inputs, base, revision):
        config = {"system": run.name, "seed": base.seed, "encoder": base.encoder, "alpha": np.nan}
        config |= {"tuned": inputs.settings.text_run if base.seed >= 0 else ""}
        config |= {"method": revision.method, "temperature": revision.temperature}
        out.lists.append((config, where, best(final, inputs.settings.top)))


def _hubness(
    inputs: Inputs, where: TestSet, base: Base, revision: Revision, final: Tensor
) -> pd.DataFrame:
    """Return how often each image is among the first 10 of a query."""
    first = final.topk(min(NEIGHBOURS, final.shape[1]), dim=1).indices.numpy()
    counts = k_occurrence(first, final.shape[1], NEIGHBOURS)
    names = {"set": where.name, "system": base.system, "encoder": base.encoder}
    names |= {"method": revision.method, "temperature": revision.temperature}
    names |= {"bank": revision.bank, "aggregation": PAPER}
    image = inputs.pairs["id"].iloc[where.gallery].to_numpy()
    return pd.DataFrame(names | {"image": image, "k10": counts.astype(np.int32)})

"""The systems of the zero-shot Places study: settings, inputs, and a score matrix for each system.

Whatever looks at a label to make up its mind (weight, threshold, temperature, few-shot examples)
looks at train and validation posts alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from lib.places import fewshot, labels, scoring, selective

COLUMNS = [
    "id", "split", "system", "variant", "seed", "epoch", "y_true", "y_pred", "score", "second",
    "margin", "entropy",
]  # fmt: skip
UNSEEDED = -1  # column `seed` where nothing is random
TENTHS = tuple(np.round(np.arange(0, 1.01, 0.1), 1).tolist())
TWENTIETHS = tuple(np.round(np.arange(0, 1.01, 0.05), 2).tolist())

Scored = tuple[str, np.ndarray, list[str], str]  # system, p (n, C), names (C), merge level


@dataclass(frozen=True)
class ZeroShotPlaces:
    """Settings of the study; section `zero_shot_places`."""

    encoders: tuple[str, ...]  # folders of the embeddings
    prompt_sets: tuple[str, ...] = labels.KINDS
    main_prompts: str = "natural"  # the paper's choice; the few-shot systems use it too
    logit_scale: float = 100.0  # what CLIP's cosines are multiplied by before the softmax
    thresholds: tuple[float, ...] = TENTHS
    first: int = 1000  # posts in Table 1
    classes: int = 10  # most frequent predicted classes that are judged (Table 2)
    per_class: int = 100  # posts judged of each
    paper_weight: float = 0.8  # weight of the image in the paper's ensemble
    weights: tuple[float, ...] = TWENTIETHS  # weights of the image to choose from
    folds: int = 5
    conditions: tuple[str, ...] = ("confidence", "margin", "cosine")  # when the caption counts
    condition_quantiles: tuple[float, ...] = TENTHS  # thresholds to choose from
    shots: tuple[int, ...] = (1, 2, 4, 8, 16)  # labelled posts a class
    seeds: tuple[int, ...] = (0, 1, 2)
    export_threshold: float = 0.5
    export_classes: tuple[str, ...] = ()  # raw names; none = every class
    bootstrap: int = 1000  # resamples behind an interval

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value that makes no sense."""
        for key in ("encoders", "prompt_sets", "seeds", "weights", "condition_quantiles"):
            if not getattr(self, key):
                raise ValueError(f"{key}: name at least one")
        for key, known in (("prompt_sets", labels.KINDS), ("conditions", scoring.CONDITIONS)):
            for value in getattr(self, key):
                if value not in known:
                    raise ValueError(f"{key}: {value!r} is not one of {', '.join(known)}")
        if self.main_prompts not in self.prompt_sets:
            raise ValueError(f"main_prompts: {self.main_prompts!r} is not among prompt_sets")
        for key in ("thresholds", "weights", "condition_quantiles", "paper_weight",
                    "export_threshold"):  # fmt: skip
            if not all(0 <= value <= 1 for value in np.atleast_1d(getattr(self, key))):
                raise ValueError(f"{key}: must lie in [0, 1], got {getattr(self, key)}")
        for key, least in (("logit_scale", 1e-9), ("first", 1), ("classes", 1), ("per_class", 1),
                           ("folds", 2), ("bootstrap", 1), ("shots", 1)):  # fmt: skip
            if any(value < least for value in np.atleast_1d(getattr(self, key))):
                raise ValueError(f"{key}: must be at least {least:g}, got {getattr(self, key)}")
        labels.index_of(list(self.export_classes))

    @property
    def paper_ensemble(self) -> str:
        """Name of the paper's ensemble, ensemble_0.8_0.2."""
        return f"ensemble_{self.paper_weight:g}_{round(1 - self.paper_weight, 6):g}"


@dataclass(frozen=True)
class Features:
    """What one encoder makes of posts and classes; a row of NaN is a picture nobody could read."""

    name: str
    image: np.ndarray  # (n, d)
    text: np.ndarray  # (n, d)
    classes: dict[str, np.ndarray]  # prompt set -> (205, d)
    others: dict[str, np.ndarray]  # prompt set -> (m, d), prompts of what is no place


@dataclass(frozen=True)
class Posts:
    """The posts that are scored, with what a selection may look at."""

    table: pd.DataFrame  # id, split, group, label ("" = unknown), in the order of the features
    has_text: np.ndarray  # (n,) bool, has a caption

    @property
    def y(self) -> np.ndarray:
        """(n,) class index, -1 for none or unknown."""
        return np.asarray(labels.index_of(self.table["label"].tolist()))

    def labelled(self, *splits: str) -> np.ndarray:
        """(n,) bool: posts of these splits whose label is known."""
        return ((self.table["label"] != "") & self.table["split"].isin(splits)).to_numpy()


def _caption_scores(posts: Posts, f: Features, classes: np.ndarray, scale: float) -> np.ndarray:
    """Class probabilities from captions, (n, 205); an empty caption speaks for no class."""
    p = scoring.softmax_scores(f.text, classes, scale)
    return np.where(posts.has_text[:, None], p, 1 / p.shape[1])


def zero_shot(posts: Posts, f: Features, kind: str, settings: ZeroShotPlaces) -> Iterator[Scored]:
    """The systems that need no label."""
    classes, scale, names = f.classes[kind], settings.logit_scale, labels.names()
    p_img = scoring.softmax_scores(f.image, classes, scale)
    p_txt = _caption_scores(posts, f, classes, scale)
    ensemble = scoring.linear_pool(p_img, p_txt, settings.paper_weight)
    yield "image", p_img, names, "class"
    yield "caption", p_txt, names, "class"
    yield settings.paper_ensemble, ensemble, names, "class"
    yield ("image_merged", *scoring.merge_labels(p_img, labels.groups("group")), "group")
    rejecting = scoring.reject_scores(f.image, classes, f.others[kind], scale)
    yield "image_reject", rejecting, [*names, labels.NONE], "class"


def selected(
    posts: Posts, f: Features, kind: str, settings: ZeroShotPlaces, chosen: dict, grids: list
) -> Iterator[Scored]:
    """The systems with a choice made outside test; it goes to `chosen`, weight grids to `grids`."""
    classes, scale, names = f.classes[kind], settings.logit_scale, labels.names()
    z = scoring.logits(f.image, classes, scale)
    p_img, p_txt = scoring.softmax(z), _caption_scores(posts, f, classes, scale)
    for system, pool in (("ensemble_cv", scoring.linear_pool), ("log_pool_cv", scoring.log_pool)):
        p, chosen[f"{system}_weight"], grid = _weighted(posts, p_img, p_txt, pool, settings)
        grids.append(grid.assign(system=system, variant=f"{f.name}/{kind}"))
        yield system, p, names, "class"
    cosine = np.where(posts.has_text, scoring.paired_cosine(f.image, f.text), -1.0)
    for condition in settings.conditions:
        threshold = _condition_threshold(posts, p_img, p_txt, cosine, condition, settings)
        chosen[f"conditional_{condition}_threshold"] = threshold
        arguments = (condition, threshold, settings.paper_weight, cosine)
        p = scoring.conditional_pool(p_img, p_txt, *arguments)
        yield f"conditional_{condition}", p, names, "class"
    tune = posts.labelled("validation")
    chosen["temperature"] = _top_temperature(z[tune], posts.y[tune])
    yield "image_calibrated", selective.apply_temperature(z, chosen["temperature"]), names, "class"


def _top_temperature(z: np.ndarray, y: np.ndarray) -> float:
    """Temperature at which the best probability is right as often as it says (log loss).

    Unlike the likelihood of the class (`selective.fit_temperature`), it counts the posts of no
    place, y = -1, on which every confident answer is wrong.
    """
    right = z.argmax(axis=1) == y

    def loss(log_t: float) -> float:
        best = np.clip(scoring.softmax(z / np.exp(log_t)).max(axis=1), 1e-12, 1 - 1e-12)
        return -float(np.log(np.where(right, best, 1 - best)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded").x))


def _weighted(
    posts: Posts, p_img: np.ndarray, p_txt: np.ndarray, pool: scoring.Pool, settings: ZeroShotPlaces
) -> tuple[np.ndarray, float, pd.DataFrame]:
    """Pool with the weight of best accuracy over the folds; out of fold where it was fitted."""
    fit = np.flatnonzero(posts.labelled("train", "validation"))
    found = scoring.cv_weights(
        p_img[fit], p_txt[fit], posts.y[fit], posts.table["group"].to_numpy()[fit],
        settings.weights, settings.folds, settings.seeds[0], pool,
    )  # fmt: skip
    mean = found.grid.groupby("w_img")["accuracy"].mean().round(12)
    weight = float(mean.index[mean == mean.max()].max())  # equal accuracy goes to the image
    p = pool(p_img, p_txt, weight)
    p[fit] = found.p
    return p, weight, found.grid


def _condition_threshold(
    posts: Posts,
    p_img: np.ndarray,
    p_txt: np.ndarray,
    cosine: np.ndarray,
    condition: str,
    settings: ZeroShotPlaces,
) -> float:
    """Threshold of best validation accuracy; equal accuracy goes to fewer captions."""
    tune = posts.labelled("validation")
    p_img, p_txt, cosine = p_img[tune], p_txt[tune], cosine[tune]
    values = _condition_values(p_img, p_txt, condition, cosine)
    best, found = -1.0, np.nan
    tried = np.quantile(values, settings.condition_quantiles)
    counts = [scoring.caption_counts(p_img, p_txt, condition, t, cosine).sum() for t in tried]
    for threshold in tried[np.argsort(counts, kind="stable")]:
        arguments = (condition, threshold, settings.paper_weight, cosine)
        p = scoring.conditional_pool(p_img, p_txt, *arguments)
        accuracy = float((p.argmax(axis=1) == posts.y[tune]).mean())
        if accuracy > best:
            best, found = accuracy, float(threshold)
    return found


def _condition_values(
    p_img: np.ndarray, p_txt: np.ndarray, condition: str, cosine: np.ndarray
) -> np.ndarray:
    """What `scoring.caption_counts` compares with the threshold, (n,)."""
    first, second = -np.partition(-p_img, 1, axis=1)[:, :2].T
    best = {"confidence": p_txt.max(axis=1), "image_confidence": first, "margin": first - second}
    return cosine if condition == "cosine" else best[condition]


def few_shot(
    posts: Posts, f: Features, settings: ZeroShotPlaces, variants: dict
) -> Iterator[pd.DataFrame]:
    """Linear probe and Tip-Adapter for every number of shots and seed, scored outside train."""
    variant, classes = f"{f.name}/{settings.main_prompts}", f.classes[settings.main_prompts]
    names, scale = labels.names(), settings.logit_scale
    train, tune = posts.labelled("train"), posts.labelled("validation")
    rest = (posts.table["split"] != "train").to_numpy()
    asked = Posts(posts.table[rest], posts.has_text[rest])
    x, y, queries = f.image[train], posts.y[train], f.image[rest]
    for k in settings.shots:
        for seed in settings.seeds:
            with warnings.catch_warnings():
                # One shot a class is as many classes as posts, which looks like a regression.
                warnings.filterwarnings("ignore", message="The number of unique classes")
                p = fewshot.linear_probe(x, y, queries, len(names), k, seed)
            yield rows(asked, variant, f"linear_probe_{k}", p, names, "class", seed)
            alpha, beta = 1.0, 5.5
            if tune.any():
                held_out = (f.image[tune], posts.y[tune])
                alpha, beta = fewshot.tune_tip_adapter(
                    x, y, *held_out, classes, k, seed, logit_scale=scale
                )
            variants[variant][f"tip_adapter_{k}_seed_{seed}"] = {"alpha": alpha, "beta": beta}
            p = fewshot.tip_adapter(x, y, queries, classes, k, seed, alpha, beta, logit_scale=scale)
            yield rows(asked, variant, f"tip_adapter_{k}", p, names, "class", seed)


def baselines(posts: Posts, settings: ZeroShotPlaces) -> Iterator[pd.DataFrame]:
    """Guessing: one of 205 at random, the commonest train class, and never a place."""
    names, n = [*labels.names(), labels.NONE], len(posts.table)
    for seed in settings.seeds:
        guess = np.random.default_rng(seed).integers(205, size=n)
        table = rows(posts, "", "random", np.full((n, 205), 1 / 205), names[:205], "class", seed)
        yield table.assign(y_pred=np.asarray(names, dtype=object)[guess])
    y = posts.y[posts.labelled("train")]
    for system, label in (("majority", y[y >= 0]), ("reject_all", np.array([205]))):
        if len(label):
            p = np.bincount(label, minlength=206) / len(label)
            yield rows(posts, "", system, np.tile(p, (n, 1)), names, "class")


def rows(
    posts: Posts, variant: str, system: str, p: np.ndarray, names: list[str], level: str,
    seed: int = UNSEEDED,
) -> pd.DataFrame:  # fmt: skip
    """The rows of one system; at level "group" the truth is merged as the answers are."""
    table = scoring.top(p, names).round(7)
    known = {"id": posts.table["id"].to_numpy(), "split": posts.table["split"].to_numpy()}
    truth = labels.merged_name(posts.table["label"].tolist(), level)
    table = table.assign(**known, system=system, variant=variant, seed=seed, epoch=0, y_true=truth)
    return table[COLUMNS]

"""Zero-shot scores from cached features, and the ways to let a caption join in.

Score matrices are (n, C) float64 probabilities, one row a post, one column a class.
Source: Radford et al. 2021 (CLIP), section 3.1; open_clip `build_zero_shot_classifier`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

CONDITIONS = ("confidence", "image_confidence", "margin", "cosine")
Pool = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def normalise(features: np.ndarray, what: str = "features") -> np.ndarray:
    """Rows scaled to unit length, float64. ValueError names the first row that has no direction."""
    features = np.asarray(features, dtype=np.float64)
    length = np.linalg.norm(features, axis=-1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(length) & (length > 0)).reshape(-1))
    if bad.size:
        raise ValueError(f"{what}: row {bad[0]} is zero or not finite ({bad.size} such rows)")
    return features / length


def class_features(
    encode: Callable[[list[str]], np.ndarray], prompts: Sequence[Sequence[str]]
) -> np.ndarray:
    """One unit vector a class, (C, d): normalise each prompt, average, normalise again.

    `encode` maps a list of strings to (n, d) features; equal prompts are encoded once.
    """
    empty = [i for i, of_class in enumerate(prompts) if not of_class]
    if empty:
        raise ValueError(f"prompts: class {empty[0]} has none")
    unique = list(dict.fromkeys(text for of_class in prompts for text in of_class))
    row = {text: i for i, text in enumerate(unique)}
    features = normalise(encode(unique), "prompt features")
    means = [features[[row[text] for text in of_class]].mean(axis=0) for of_class in prompts]
    return normalise(np.stack(means), "class features")


def logits(
    features: np.ndarray,
    classes: np.ndarray,
    logit_scale: float = 100.0,
    what: str = "features",
) -> np.ndarray:
    """logit_scale x cosine, (n, C). CLIP models are trained to a scale of at most 100."""
    return logit_scale * normalise(features, what) @ normalise(classes, "class features").T


def softmax(z: np.ndarray) -> np.ndarray:
    """Softmax over the last axis; the row maximum is taken off first, so nothing overflows."""
    z = np.asarray(z, dtype=np.float64)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_scores(
    image_features: np.ndarray, class_features: np.ndarray, logit_scale: float = 100.0
) -> np.ndarray:
    """Class probabilities (n, C) of posts from their image (or caption) features (n, d)."""
    return softmax(logits(image_features, class_features, logit_scale))


def _same_shape(p_img: np.ndarray, p_txt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p_img, p_txt = (
        np.asarray(p_img, dtype=np.float64),
        np.asarray(p_txt, dtype=np.float64),
    )
    if p_img.shape != p_txt.shape:
        raise ValueError(f"image scores {p_img.shape} and caption scores {p_txt.shape} differ")
    return p_img, p_txt


def _weight(w_img: float) -> float:
    if not 0 <= w_img <= 1:
        raise ValueError(f"w_img {w_img}: must lie in [0, 1]")
    return float(w_img)


def linear_pool(p_img: np.ndarray, p_txt: np.ndarray, w_img: float = 0.8) -> np.ndarray:
    """w p_img + (1 - w) p_txt: the paper's ensemble at w = .8 (its section 4.2)."""
    p_img, p_txt = _same_shape(p_img, p_txt)
    w = _weight(w_img)
    return w * p_img + (1 - w) * p_txt


def log_pool(p_img: np.ndarray, p_txt: np.ndarray, w_img: float = 0.8) -> np.ndarray:
    """Weighted product of experts, p_img^w p_txt^(1-w) normalised: either side can veto a class."""
    p_img, p_txt = _same_shape(p_img, p_txt)
    w, tiny = _weight(w_img), np.finfo(np.float64).tiny
    return softmax(w * np.log(np.maximum(p_img, tiny)) + (1 - w) * np.log(np.maximum(p_txt, tiny)))


def caption_counts(
    p_img: np.ndarray,
    p_txt: np.ndarray,
    condition: str,
    threshold: float,
    cosine: np.ndarray | None = None,
) -> np.ndarray:
    """Which posts' captions are let in, (n,) bool.

    confidence: the caption's best probability is at least `threshold` (it says something);
    image_confidence: the image's best probability is below it (help is needed);
    margin: the image's best two are closer than it (help is needed between two);
    cosine: image and caption features agree, cos >= threshold (pass `cosine`, (n,)).
    The paper names one threshold on the caption and gives no value.
    """
    p_img, p_txt = _same_shape(p_img, p_txt)
    if condition == "confidence":
        return p_txt.max(axis=1) >= threshold
    if condition == "image_confidence":
        return p_img.max(axis=1) < threshold
    if condition == "margin":
        best = -np.partition(-p_img, 1, axis=1)[:, :2]
        return best[:, 0] - best[:, 1] < threshold
    if condition == "cosine":
        if cosine is None or np.shape(cosine) != (len(p_img),):
            raise ValueError(f"cosine: condition 'cosine' needs {len(p_img)} values, one a post")
        return np.asarray(cosine) >= threshold
    raise ValueError(f"condition {condition!r}: choose one of {', '.join(CONDITIONS)}")


def conditional_pool(
    p_img: np.ndarray,
    p_txt: np.ndarray,
    condition: str = "confidence",
    threshold: float = 0.5,
    w_img: float = 0.8,
    cosine: np.ndarray | None = None,
) -> np.ndarray:
    """Linear pool where `caption_counts`, the image alone elsewhere, (n, C)."""
    let_in = caption_counts(p_img, p_txt, condition, threshold, cosine)
    return np.where(let_in[:, None], linear_pool(p_img, p_txt, w_img), np.asarray(p_img))


def paired_cosine(image_features: np.ndarray, text_features: np.ndarray) -> np.ndarray:
    """Cosine of each post's image with its own caption, (n,)."""
    image = normalise(image_features, "image features")
    return np.einsum("nd,nd->n", image, normalise(text_features, "text features"))


@dataclass(frozen=True)
class CrossValidated:
    """Out-of-fold scores: no row was scored with a weight its own group helped to choose."""

    p: np.ndarray  # (n, C)
    fold: np.ndarray  # (n,) int
    weights: list[float]  # chosen weight of each fold
    grid: pd.DataFrame  # fold, w_img, accuracy on the other folds


def cv_weights(
    p_img: np.ndarray,
    p_txt: np.ndarray,
    y: np.ndarray,
    groups: np.ndarray,
    weights: Sequence[float] = tuple(np.round(np.linspace(0, 1, 21), 2)),
    folds: int = 5,
    seed: int = 0,
    pool: Pool = linear_pool,
) -> CrossValidated:
    """Choose the image's weight by group K-fold accuracy; equal accuracy goes to the image.

    y: (n,) class index, -1 where the truth is no class (never right, whatever the weight);
    groups: (n,) near-duplicate cluster, never split over folds.
    """
    p_img, p_txt = _same_shape(p_img, p_txt)
    y, groups = np.asarray(y), np.asarray(groups)
    if len(np.unique(groups)) < folds:
        raise ValueError(f"folds {folds}: only {len(np.unique(groups))} groups to share out")
    order = sorted(map(float, weights), reverse=True)
    right = {w: pool(p_img, p_txt, w).argmax(axis=1) == y for w in order}
    splitter = GroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    p, fold, chosen, grid = np.empty_like(p_img), np.empty(len(y), dtype=int), [], []
    for k, (train, test) in enumerate(splitter.split(p_img, y, groups)):
        scores = [float(right[w][train].mean()) for w in order]
        grid += [(k, w, score) for w, score in zip(order, scores, strict=True)]
        chosen.append(order[int(np.argmax(scores))])
        p[test], fold[test] = pool(p_img[test], p_txt[test], chosen[-1]), k
    return CrossValidated(
        p, fold, chosen, pd.DataFrame(grid, columns=["fold", "w_img", "accuracy"])
    )


def reject_scores(
    features: np.ndarray,
    classes: np.ndarray,
    others: np.ndarray,
    logit_scale: float = 100.0,
) -> np.ndarray:
    """(n, C + 1): softmax over classes and "other" prompts, whose mass is the last column, none."""
    p = softmax(logits(features, np.vstack([classes, others]), logit_scale))
    return np.column_stack([p[:, : len(classes)], p[:, len(classes) :].sum(axis=1)])


def merge_labels(p: np.ndarray, groups: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Sum the probabilities of columns with the same group name; (n, G) and the G names.

    Undoes the dilution the paper describes: two near-synonyms at .3 each become one at .6.
    """
    if p.shape[1] != len(groups):
        raise ValueError(f"groups: {len(groups)} names for {p.shape[1]} columns")
    codes, names = pd.factorize(np.asarray(groups, dtype=object))
    return np.asarray(p) @ np.eye(len(names))[codes], [str(name) for name in names]


def top(p: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """Per post: y_pred, score (best probability), second (runner-up), margin, entropy (nats)."""
    p = np.asarray(p, dtype=np.float64)
    if p.shape[1] != len(names):
        raise ValueError(f"names: {len(names)} for {p.shape[1]} columns")
    order = np.argsort(-p, axis=1, kind="stable")[:, :2]
    best, runner_up = np.take_along_axis(p, order, axis=1).T
    labels = np.asarray(names, dtype=object)
    entropy = -np.sum(p * np.log(np.maximum(p, np.finfo(np.float64).tiny)), axis=1)
    columns = {
        "y_pred": labels[order[:, 0]],
        "score": best,
        "second": labels[order[:, 1]],
    }
    return pd.DataFrame(columns | {"margin": best - runner_up, "entropy": entropy})

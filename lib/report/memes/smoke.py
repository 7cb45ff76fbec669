"""A tiny made-up memes study in the layout that notebook 05 leaves, for a run without one.

Scores are drawn, not computed: every system knows the labels a little. Good for seeing that pages
render; the numbers mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data.readers.mami import LABELS
from lib.memes import FILES, TRIVIAL
from lib.schema import write_pairs

RATIOS = (0.3, 0.1)
MAIN, OTHER = (0, 1, 2), (0, 1)
RATES = (0.5, 0.15, 0.35, 0.35, 0.15)
# name -> label, kind, how much it knows, at which share of labels it collapses
SYSTEMS = {
    "raw_n_cook": ("RAW-N-COOK", "paper", 1.2), "raw_only": ("w/o CROM-AE", "paper", 1.1),
    "raw_n_cook_bce": ("w/o DB loss", "paper", 1.0), "raw_only_bce": ("w/o both", "paper", 0.9),
    "raw_n_cook_db": ("RAW-N-COOK, DB-focal", "beyond", 1.1),
    "only_text": ("text alone", "beyond", 0.6), "only_image": ("picture alone", "beyond", 0.5),
    "cmml_clip": ("CMML-CLIP", "rival", 1.0), "cmml_origin": ("CMML-ORIGIN", "rival", 0.4),
    "tib_va": ("TIB-VA", "rival", 0.9), "visualbert": ("VisualBERT", "rival", 0.3),
    "ext_pie_net": ("Ext-PIE-Net", "rival", 0.0), "vilt": ("ViLT", "rival", 0.3),
    "lxmert": ("LXMERT", "rival", 0.3), "linear": ("logistic regression", "probe", 1.0),
}  # fmt: skip
SEEDED = ("raw_n_cook", "raw_only", "raw_n_cook_bce", "raw_only_bce", "raw_n_cook_db", "cmml_clip")
UNTRAINED = ("visualbert", "vilt", "lxmert")
BLOCKS = ("raw picture", "raw text", "cooked picture", "cooked text", "residual picture",
          "residual text")  # fmt: skip
READ = 10  # test memes read back


def write_study(folder: Path, memes: int = 60, seed: int = 0) -> tuple[Path, Path]:
    """Write pairs.parquet and predictions/ into `folder`; returns the last and the first."""
    rng = np.random.default_rng(seed)
    pairs = _pairs(memes, rng)
    folder.mkdir(parents=True, exist_ok=True)
    write_pairs(pairs, folder / "pairs.parquet")
    out = folder / "predictions"
    out.mkdir(exist_ok=True)
    made = {
        "predictions": pd.concat(_predictions(pairs, rng), ignore_index=True),
        "histories": _histories(rng), "separation": _separation(pairs, rng),
        "errors": _errors(rng), "runs": _runs(), "texts": _texts(rng),
    }  # fmt: skip
    for name in FILES:
        made[name].to_parquet(out / f"{name}.parquet")
    return out, folder / "pairs.parquet"


def _pairs(memes: int, rng: np.random.Generator) -> pd.DataFrame:
    """Memes without pictures, a third each for validation and two for test."""
    number = np.arange(memes)
    ids = [f"meme/{i}" for i in number]
    labels = (rng.random((memes, len(LABELS))) < RATES).astype(int)
    labels[:, 0] = labels[:, 1:].max(1)
    table = {
        "id": ids, "image": "", "text": [f"made-up meme number {i}" for i in number],
        "lang": "en", "split": np.where(number % 3, "test", "validation"), "date": "",
        "source": "made up", "group": [f"meme/{i - (i % 10 == 9)}" for i in number],
    }  # fmt: skip
    return pd.DataFrame(table | {label: labels[:, at] for at, label in enumerate(LABELS)})


def _configs() -> Iterator[tuple[str, str, float, int]]:
    """System, variant, ratio and seed of every run."""
    for ratio in RATIOS:
        for name in SYSTEMS:
            for seed in MAIN if name in SEEDED else OTHER:
                yield name, "", ratio, seed
        for name in SEEDED[:4]:
            for seed in OTHER:
                yield name, "draw=7", ratio, seed
        for gamma in ("step_gamma=0.9", "step_gamma=1", "focal_gamma=1", "focal_gamma=3"):
            yield "raw_n_cook", gamma, ratio, 0


def _predictions(pairs: pd.DataFrame, rng: np.random.Generator) -> list[pd.DataFrame]:
    rows, parts = pairs[pairs["split"] != "train"], []
    for name, variant, ratio, seed in _configs():
        noise = rng.normal(0, 1, (len(rows), len(LABELS)))
        logits = SYSTEMS[name][2] * (rows[list(LABELS)].to_numpy() - 0.5) + 0.6 * noise - 0.3
        scores = 1 / (1 + np.exp(-logits))
        scores = scores * 0.4 if name == "ext_pie_net" else scores
        parts.append(_rows(rows, scores, name, variant, ratio, seed))
        read = rows[rows["split"] == "test"].head(READ).assign(split="read")
        if name in ("raw_n_cook", "raw_only", "only_text") and not variant:
            given = scores[rows["split"] == "test"][:READ] * 0.9
            parts.append(_rows(read, given, name, variant, ratio, seed))
    for ratio in RATIOS:
        for name, value in zip(TRIVIAL, (0.0, 1.0, 0.2), strict=True):
            given = (rng.random((len(rows), len(LABELS))) < value).astype(float)
            parts.append(_rows(rows, given, name, "", ratio, 0))
    return parts


def _rows(
    rows: pd.DataFrame, scores: np.ndarray, system: str, variant: str, ratio: float, seed: int
) -> pd.DataFrame:
    table = rows[["id", "split"]].assign(system=system, variant=variant, ratio=ratio, seed=seed)
    for label in LABELS:
        table[f"y_{label}"] = rows[label]
    for at, label in enumerate(LABELS):
        table[f"s_{label}"] = scores[:, at].astype(np.float32)
    return table


def _histories(rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        {"system": name, "variant": variant, "ratio": ratio, "seed": seed, "epoch": epoch,
         "loss": 1 / epoch, "task_b": 0.4 + 0.1 * SYSTEMS[name][2] * (1 - 1 / epoch),
         "auc": 0.5 + 0.2 * SYSTEMS[name][2] * (1 - 1 / epoch) + rng.normal(0, 0.01)}
        for name, variant, ratio, seed in _configs() for epoch in range(1, 6)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _separation(pairs: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    test, parts = pairs[pairs["split"] == "test"], []
    for name in BLOCKS:
        flat = rng.normal(0, 1, (len(test), 4)) + test[["misogynous"]].to_numpy()
        table = {"features": name, "id": test["id"].to_numpy()}
        names = ("tsne_x", "tsne_y", "pca_x", "pca_y")
        table |= {axis: flat[:, at] for at, axis in enumerate(names)}
        for label in LABELS:
            table[f"silhouette_{label}"] = rng.normal(0.02, 0.05, len(test))
            table[f"probe_{label}"] = 0.3 * test[label].to_numpy() + 0.7 * rng.random(len(test))
        parts.append(pd.DataFrame(table))
    return pd.concat(parts, ignore_index=True)


def _errors(rng: np.random.Generator) -> pd.DataFrame:
    rows = [(way, kind, split, 1 + rng.random())
            for way in ("image -> text", "text -> image")
            for kind in ("auto-encoder", "ridge", "mean")
            for split in ("unlabelled", "validation", "test")]  # fmt: skip
    return pd.DataFrame(rows, columns=["direction", "map", "split", "mse"])


def _runs() -> pd.DataFrame:
    rows = []
    for name, variant, ratio, seed in _configs():
        label, kind, _ = SYSTEMS[name]
        rows.append({"system": name, "variant": variant, "ratio": ratio,
                     "draw": 7 if variant == "draw=7" else 42, "seed": seed, "parameters": 1000,
                     "name": label, "kind": kind, "unlabelled": "cook" in name,
                     "remark": "code path only" if name in UNTRAINED else ""})  # fmt: skip
    for name in TRIVIAL:
        rows.append({"system": name, "variant": "", "ratio": np.nan, "draw": -1, "seed": -1,
                     "parameters": 0, "name": name.replace("_", " "), "kind": "trivial",
                     "unlabelled": False, "remark": ""})  # fmt: skip
    return pd.DataFrame(rows)


def _texts(rng: np.random.Generator) -> pd.DataFrame:
    rows = [(text, unit, *np.sort(rng.random(3))[[1, 0, 2]], READ)
            for text in ("raw", "read") for unit in ("characters", "letters", "words")]  # fmt: skip
    return pd.DataFrame(rows, columns=["text", "unit", "value", "low", "high", "memes"])

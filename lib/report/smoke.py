"""A tiny made-up Places study in the layout that the pipeline leaves, for a run without one.

Answers are drawn, not computed: each system is right with a chance of its own and more confident
when it is. Good for seeing that pages render; the numbers mean nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from lib import paths
from lib.data import card
from lib.data import readers as data
from lib.places import labels
from lib.places.study.systems import COLUMNS, UNSEEDED, ZeroShotPlaces
from lib.schema import write_pairs

DATASET = "instacities"
CLASSES = ("/s/skyscraper", "/b/bridge", "/a/art_gallery", "/c/clothing_store", "/h/hospital")
SKILL = {
    "image": 0.5, "caption": 0.3, "image_merged": 0.55, "image_reject": 0.6, "ensemble_cv": 0.6,
    "log_pool_cv": 0.62, "conditional_confidence": 0.55, "conditional_margin": 0.54,
    "conditional_cosine": 0.53, "image_calibrated": 0.5,
}  # fmt: skip


def write_study(
    folder: Path, settings: ZeroShotPlaces, posts: int = 60, seed: int = 0
) -> tuple[Path, Path]:
    """Write pairs.parquet and predictions/ into `folder`; returns the two paths."""
    rng = np.random.default_rng(seed)
    pairs = _pairs(posts, rng)
    folder.mkdir(parents=True, exist_ok=True)
    write_pairs(pairs, folder / "pairs.parquet")
    out = folder / "predictions"
    out.mkdir(exist_ok=True)
    variants = [f"{e}/{kind}" for e in settings.encoders for kind in settings.prompt_sets]
    _predictions(pairs, variants, settings, rng).to_parquet(out / "predictions.parquet")
    _grid(variants, settings, rng).to_csv(out / "weight_grid.csv", index=False)
    choices = {"skipped": {}, "unreadable": [], "variants": dict.fromkeys(variants, {})}
    (out / "selections.json").write_text(json.dumps(choices, indent=2) + "\n", encoding="utf-8")
    return out, folder / "pairs.parquet"


def write_card(config: str) -> Path:
    """Write the data card of the smoke corpus; returns the folder of cards."""
    settings = data.load_settings(DATASET, config)
    root = data.find_root(DATASET, "", settings)
    reading, grouping = data.prepare(DATASET, root, settings)
    folder = paths.scratch("smoke", "reports", "cards")
    card.write_card(
        card.build_card(DATASET, root, reading, grouping, settings), reading, folder / DATASET
    )
    return folder


def _pairs(posts: int, rng: np.random.Generator) -> pd.DataFrame:
    """Posts without pictures; every tenth repeats the group of the one before."""
    number = np.arange(posts)
    ids = [f"{1000 + i}" for i in number]
    return pd.DataFrame(
        {
            "id": ids, "image": [f"img_resized/newyork/{i}.jpg" for i in ids],
            "text": [f"post number {i}" for i in ids], "lang": "en",
            "split": np.array(["train", "validation", "test", "test"])[number % 4], "date": "",
            "source": "newyork", "group": [f"g{i - (i % 10 == 9)}" for i in number],
            "label": rng.choice([*CLASSES, labels.NONE], posts, p=[0.3, 0.15, 0.15, 0.1, 0.1, 0.2]),
        }
    )  # fmt: skip


def _predictions(
    pairs: pd.DataFrame, variants: list[str], settings: ZeroShotPlaces, rng: np.random.Generator
) -> pd.DataFrame:
    """Rows of every system: zero-shot ones per variant, few-shot per seed, trivial ones once."""
    skills = SKILL | {settings.paper_ensemble: 0.55}
    parts = [
        _rows(pairs, system, variant, skill, rng)
        for variant in variants
        for system, skill in skills.items()
    ]
    rest = pairs[pairs["split"] != "train"]
    for encoder in settings.encoders:
        variant = f"{encoder}/{settings.main_prompts}"
        for k in settings.shots:
            for seed in settings.seeds:
                parts += [
                    _rows(rest, f"linear_probe_{k}", variant, 0.2 + 0.05 * k, rng, seed),
                    _rows(rest, f"tip_adapter_{k}", variant, 0.5 + 0.02 * k, rng, seed),
                ]
    parts += [_rows(pairs, "random", "", 0.005, rng, seed) for seed in settings.seeds]
    parts += [_rows(pairs, "majority", "", 0, rng).assign(y_pred=CLASSES[0], score=0.3)]
    parts += [_rows(pairs, "reject_all", "", 0, rng).assign(y_pred=labels.NONE, score=1.0)]
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def _rows(
    pairs: pd.DataFrame,
    system: str,
    variant: str,
    skill: float,
    rng: np.random.Generator,
    seed: int = UNSEEDED,
) -> pd.DataFrame:
    """Answers of one system."""
    n = len(pairs)
    truth, wrong = pairs["label"].to_numpy(object), rng.choice(CLASSES, n)
    knows = (truth != labels.NONE) | ("reject" in system)
    right = (rng.random(n) < skill) & knows
    answer = np.where(right, truth, wrong)
    score = np.round(rng.beta(np.where(right, 4, 2), 2), 6)
    level = "group" if system == "image_merged" else "class"
    return pd.DataFrame(
        {
            "id": pairs["id"].to_numpy(), "split": pairs["split"].to_numpy(), "system": system,
            "variant": variant, "seed": seed, "epoch": 0,
            "y_true": labels.merged_name(truth.tolist(), level),
            "y_pred": labels.merged_name(answer.tolist(), level), "score": score,
            "second": CLASSES[1], "margin": score / 2, "entropy": 1 - score,
        }
    )  # fmt: skip


def _grid(variants: list[str], settings: ZeroShotPlaces, rng: np.random.Generator) -> pd.DataFrame:
    """Accuracy by weight and fold, highest somewhere in the middle."""
    rows = [
        (fold, w, round(0.5 + 0.3 * w * (1.4 - w) + rng.normal(0, 0.01), 4), system, variant)
        for system in ("ensemble_cv", "log_pool_cv")
        for variant in variants
        for fold in range(settings.folds)
        for w in settings.weights
    ]
    return pd.DataFrame(rows, columns=["fold", "w_img", "accuracy", "system", "variant"])

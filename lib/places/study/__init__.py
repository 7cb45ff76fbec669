"""The zero-shot Places study: from pairs and features to one table of predictions, and its files.

Test labels are only copied into `y_true`. Systems that the labels at hand do not allow are left
out, and `selections.json` names them with the reason.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet as parquet

from lib.places import labels, scoring
from lib.places.study import systems
from lib.places.study.systems import COLUMNS, Features, Posts, ZeroShotPlaces

SELECTED = ("ensemble_cv", "log_pool_cv", "conditional_*", "image_calibrated")
TRAINED = ("linear_probe_*", "tip_adapter_*", "majority")


@dataclass(frozen=True)
class Study:
    """What comes out: one row a post and system, and every choice made on the way."""

    predictions: pd.DataFrame  # COLUMNS
    selections: dict
    grid: pd.DataFrame  # accuracy of every weight on every fold


def prompt_features(
    encode: Callable[[list[str]], np.ndarray], prompt_sets: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Class features (205, d) and reject features (m, d) of each prompt set."""
    classes = {k: scoring.class_features(encode, labels.prompts(k)) for k in prompt_sets}
    others = {k: scoring.class_features(encode, labels.other_prompts(k)) for k in prompt_sets}
    return classes, others


def run(pairs: pd.DataFrame, encoders: Sequence[Features], settings: ZeroShotPlaces) -> Study:
    """Score every system of every encoder and prompt set.

    pairs: the pairs table with a column `label` (raw name, none, or "" when unknown); encoders:
    their features, rows in the order of `pairs`. Posts whose picture some encoder could not read
    are left out and named. ValueError when lengths differ or no post is left.
    """
    for f in encoders:
        if not len(f.image) == len(f.text) == len(pairs):
            sizes = f"{len(f.image)} images and {len(f.text)} texts for {len(pairs)} posts"
            raise ValueError(f"encoder {f.name}: {sizes}")
    readable = np.all([np.isfinite(f.image).all(axis=1) for f in encoders], axis=0)
    if not readable.any():
        raise ValueError("no post has a readable picture")
    kept = pairs[readable].reset_index(drop=True)
    spoken = np.all([np.isfinite(f.text[readable]).all(axis=1) for f in encoders], axis=0)
    has_text = spoken & (kept["text"] != "").to_numpy()
    posts = Posts(kept[["id", "split", "group", "label"]], has_text)
    selections = _overview(posts, settings) | {"unreadable": pairs.loc[~readable, "id"].tolist()}
    tables, grids = list(systems.baselines(posts, settings)), []
    for f in encoders:
        # A missing caption gets any direction: no system looks at it.
        text = np.where(has_text[:, None], f.text[readable], 1.0)
        f = replace(f, image=f.image[readable], text=text)
        for kind in settings.prompt_sets:
            variant = f"{f.name}/{kind}"
            chosen = {"class_features": _digest(f.classes[kind])}
            scored = [*systems.zero_shot(posts, f, kind, settings)]
            if "ensemble_cv" not in selections["skipped"]:
                scored += systems.selected(posts, f, kind, settings, chosen, grids)
            tables += [systems.rows(posts, variant, *item) for item in scored]
            selections["variants"][variant] = chosen
        if "majority" not in selections["skipped"]:
            tables += systems.few_shot(posts, f, settings, selections["variants"])
    grid = pd.concat(grids, ignore_index=True) if grids else pd.DataFrame()
    return Study(pd.concat(tables, ignore_index=True), selections, grid)


def write(study: Study, folder: Path | str) -> None:
    """Write predictions.parquet, selections.json and weight_grid.csv, each whole or not at all."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Names repeat for every post: dictionary columns keep the file small.
    table = pyarrow.Table.from_pandas(study.predictions[COLUMNS], preserve_index=False)
    table = table.replace_schema_metadata(None)
    choices = json.dumps(study.selections, indent=2, sort_keys=True) + "\n"
    grid = study.grid.to_csv(index=False, lineterminator="\n")
    for name, save in (
        ("predictions.parquet", lambda path: parquet.write_table(table, path, compression="zstd")),
        ("selections.json", lambda path: path.write_text(choices, encoding="utf-8")),
        ("weight_grid.csv", lambda path: path.write_text(grid, encoding="utf-8")),
    ):
        part = folder / f".{name}.part"
        save(part)
        os.replace(part, folder / name)


def _overview(posts: Posts, settings: ZeroShotPlaces) -> dict:
    """Counts, and the systems that the labels do not allow, with the reason."""
    fit, tune, train = (
        posts.labelled(*s) for s in (("train", "validation"), ("validation",), ("train",))
    )
    groups, useful = posts.table.loc[fit, "group"].nunique(), int((posts.y[tune] >= 0).sum())
    skipped = {}
    if groups < settings.folds or not useful:
        reason = f"{groups} labelled groups outside test, {useful} validation posts with a class"
        skipped |= dict.fromkeys(SELECTED, f"{reason}; {settings.folds} and 1 are needed")
    if not (posts.y[train] >= 0).any():
        skipped |= dict.fromkeys(TRAINED, "no train post with a class")
    splits = posts.table["split"].replace("", "unsplit")
    return {
        "posts": splits.value_counts().to_dict(),
        "labelled": splits[posts.table["label"] != ""].value_counts().to_dict(),
        "without_caption": int((~posts.has_text).sum()),
        "skipped": skipped,
        "variants": {},
    }


def _digest(features: np.ndarray) -> str:
    """First 16 digits of the sha256 of the features, rounded so that only real changes show."""
    return hashlib.sha256(np.round(features, 4).astype("<f4").tobytes()).hexdigest()[:16]

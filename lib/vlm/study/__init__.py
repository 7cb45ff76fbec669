"""The study: every model, zero-shot, with examples and fine-tuned, to predictions and their costs.

Predictions have the columns of the fake-news study, so its evaluation, intervals and paired tests
apply unchanged. A finished run (model, mode, seed) is kept until all are written: a killed study
goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import torch
from pyarrow import parquet
from tqdm.auto import tqdm

from lib.embeddings import digest_of
from lib.fingerprint import fingerprint
from lib.fnd import STORY
from lib.provenance import peak_memory_mb, record_path
from lib.vlm import Model, Recipe, VlmError, VlmQlora
from lib.vlm.chat import Article
from lib.vlm.models import Vlm, adapted, check, load, save_adapter, trainable
from lib.vlm.scoring import score
from lib.vlm.training import balanced, tune

PREDICTIONS = ("id", "group", "split", "protocol", "system", "variant", "seed", "y_true", "score")
HISTORIES = ("system", "seed", "round", "step", "loss", "validation")
COSTS = ("system", "model", "mode", "seed", "remark", "parameters", "trainable", "rows")
MEASURED = ("system", "seed", "seconds", "peak_memory_mb")  # differs each time, so in no output
FILES = {"predictions": PREDICTIONS, "histories": HISTORIES, "costs": COSTS}
TABLES = FILES | {"measured": MEASURED}
SCORED = ("validation", "test")
Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Run:
    """One system with one seed."""

    model: Model
    mode: str  # one of MODES, or a recipe's name
    seed: int
    recipe: Recipe | None = None

    @property
    def system(self) -> str:
        """Name in predictions."""
        return f"{self.model.name}_{self.mode}"


def planned(settings: VlmQlora) -> Iterator[Run]:
    """Yield the runs; without training and without examples nothing is drawn, so one seed does."""
    for model in settings.models:
        for mode in settings.modes:
            seeds = settings.seeds[:1] if mode == "zero_shot" else settings.seeds
            yield from (Run(model, mode, seed) for seed in seeds)
        for recipe in settings.recipes:
            yield from (Run(model, recipe.name, seed, recipe) for seed in settings.seeds)


def run(pairs: pd.DataFrame, root: Path, settings: VlmQlora, cache: Path, adapters: Path) -> Tables:
    """Return predictions, histories, costs and what was measured of every run; see TABLES.

    `cache`: folder of finished runs; `adapters`: folder that tuned adapters are saved in, one
    folder for each system and seed. VlmError, at once, where a GPU or a package will be missed.
    """
    check(settings)
    articles = {split: articles_of(pairs, root, split, settings) for split in ("train", *SCORED)}
    made = []
    digest = _digest(pairs, settings)
    for one in (bar := tqdm(list(planned(settings)), desc="systems", unit="run")):
        bar.set_postfix_str(f"{one.system} {one.seed}")
        folder = cache / digest / f"{one.system}-{one.seed}"
        where = adapters / one.system / f"seed{one.seed}"
        if not (folder.is_dir() and (one.recipe is None or where.is_dir())):
            _keep(folder, _make(one, pairs, articles, settings, folder, where))
        made.append({name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES})
    return {name: _together([one[name] for one in made], name) for name in TABLES}


def articles_of(pairs: pd.DataFrame, root: Path, split: str, settings: VlmQlora) -> list[Article]:
    """Return the articles of a split; of those that are scored the first `scored_rows`."""
    rows = pairs[pairs["split"] == split]
    if split in SCORED and settings.scored_rows:
        rows = rows.head(settings.scored_rows)
    if rows.empty:
        raise VlmError(f"pairs: no row of split {split}")
    texts = rows["text"] if settings.text == "headline" else rows["body"]
    return [
        Article(text, root / image, int(label))
        for text, image, label in zip(texts, rows["image"], rows["label"], strict=True)
    ]


def _together(parts: list[pd.DataFrame], name: str) -> pd.DataFrame:
    """Return the parts that have rows as one table; empty ones have no types."""
    full = [part for part in parts if len(part)]
    return pd.concat(full, ignore_index=True) if full else pd.DataFrame(columns=TABLES[name])


def write(tables: Tables, folder: Path) -> None:
    """Write <name>.parquet of FILES, each file whole, and what was measured beside run records."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        table = pyarrow.Table.from_pandas(tables[name], preserve_index=False)
        part = folder / f".{name}.{os.getpid()}.part"
        parquet.write_table(table.replace_schema_metadata(None), part, compression="zstd")
        os.replace(part, folder / f"{name}.parquet")
    if record := record_path(folder):
        record.parent.mkdir(parents=True, exist_ok=True)
        part = record.with_name(f".{record.name}.{os.getpid()}.part")
        tables["measured"].to_json(part, orient="records", indent=1)
        os.replace(part, record)


def _make(
    one: Run,
    pairs: pd.DataFrame,
    articles: dict[str, list[Article]],
    settings: VlmQlora,
    folder: Path,
    where: Path,
) -> Tables:
    """Load, tune if asked, and score validation and test articles."""
    start = time.perf_counter()
    _forget_peak(settings)
    vlm, history, shots, learning = load(one.model, settings), [], [], 0
    parameters = sum(p.numel() for p in vlm.model.parameters())
    if one.mode == "few_shot":
        shots = balanced(articles["train"], settings.shots, one.seed)
    if one.recipe is not None:
        vlm, history = _tuned(vlm, one, one.recipe, articles, settings, folder)
        learning = trainable(vlm)
        where.parent.mkdir(parents=True, exist_ok=True)
        save_adapter(vlm, where)
    frames = [
        _frame(pairs, split, one, score(vlm, articles[split], settings, shots)) for split in SCORED
    ]
    seconds = time.perf_counter() - start
    cost = (one.system, one.model.name, one.mode, one.seed, vlm.remark, parameters, learning,
            sum(map(len, frames)))  # fmt: skip
    spent = (one.system, one.seed, seconds, _peak(settings))
    about = {"system": one.system, "seed": one.seed}
    return {
        "predictions": pd.concat(frames, ignore_index=True),
        "histories": pd.DataFrame(history, columns=HISTORIES[2:]).assign(**about)[list(HISTORIES)],
        "costs": pd.DataFrame([cost], columns=COSTS),
        "measured": pd.DataFrame([spent], columns=MEASURED),
    }


def _tuned(
    vlm: Vlm,
    one: Run,
    recipe: Recipe,
    articles: dict[str, list[Article]],
    settings: VlmQlora,
    folder: Path,
) -> tuple[Vlm, list[dict[str, float]]]:
    """Return the model with trained adapters, and the history."""
    tuning = recipe.tuning
    vlm = adapted(vlm, recipe.lora, one.seed, tuning.gradient_checkpointing)
    train = balanced(articles["train"], tuning.rows, one.seed)
    held = articles["validation"][: tuning.validation_rows or None]
    checkpoint = folder.with_name(f"{folder.name}.safetensors")
    key = folder.parent.name
    history = tune(vlm, train, held, settings, tuning, one.seed, checkpoint, key)
    checkpoint.unlink()
    return vlm, history


def _frame(pairs: pd.DataFrame, split: str, one: Run, scores: np.ndarray) -> pd.DataFrame:
    """Return predictions of the scored rows of a split."""
    rows = pairs[pairs["split"] == split].head(len(scores))
    known = {
        "id": rows["id"].to_numpy(), "group": rows["group"].to_numpy(), "split": split,
        "protocol": STORY, "system": one.system, "variant": "", "seed": one.seed,
        "y_true": rows["label"].to_numpy().astype(np.int8), "score": scores,
    }  # fmt: skip
    return pd.DataFrame(known, columns=PREDICTIONS)


def _keep(folder: Path, tables: Tables) -> None:
    """Keep the tables of a run; the folder appears whole or not at all."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    part.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(part / f"{name}.parquet")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


def _digest(pairs: pd.DataFrame, settings: VlmQlora) -> str:
    """Return the digest of all that a run depends on."""
    columns = ["id", "image", "text", "split", "label"] + ["body"] * (settings.text == "body")
    rows = digest_of(pairs[columns].astype(str).itertuples(index=False, name=None))
    known = [fingerprint(__name__), rows, json.dumps(asdict(settings), sort_keys=True)]
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:16]


def _forget_peak(settings: VlmQlora) -> None:
    if settings.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()


def _peak(settings: VlmQlora) -> float:
    """Return the largest memory so far in MB: of the GPU in this run, else of this process."""
    if settings.device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    return peak_memory_mb()

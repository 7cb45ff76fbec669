"""One fine-tuning run: a recipe on one source, once a seed, each seed resumable.

Everything is made in a scratch folder named by a digest of data, encoder and settings, so a run
that was killed goes on after its last epoch; the finished folder appears whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from lib import paths
from lib.embeddings import digest_of
from lib.encoders import one_thread_each
from lib.metrics import mrr
from lib.retrieval.finetune import FinetuneRetrieval, Recipe
from lib.retrieval.finetune.activations import Pictures, Titles
from lib.retrieval.finetune.batches import PairBatches, Pairs, learnable
from lib.retrieval.finetune.towers import PREFIX, Towers
from lib.training import fit

THETA, HISTORY = "theta1.safetensors", "history.json"
Rewrite = Callable[[Sequence[str]], list[str | None]]


def rows_of(table: pd.DataFrame, source: str, splits: Sequence[str], where: str) -> pd.DataFrame:
    """Return the rows of a source ("" = all) in some splits; ValueError where there are none."""
    chosen = table["split"].isin(splits)
    if source:
        chosen &= table["source"] == source
    if not chosen.any():
        known = ", ".join(sorted(table["source"].unique())[:8])
        named = f"source {source!r}" if source else "any source"
        raise ValueError(f"{where}: no {' or '.join(splits)} row of {named}; sources: {known}")
    return table[chosen].reset_index(drop=True)


def tune(
    table: pd.DataFrame,
    root: Path,
    towers: Towers,
    settings: FinetuneRetrieval,
    name: str,
    out: Path,
    rewrite: Rewrite | None = None,
) -> list[dict[str, Any]]:
    """Train every seed of run `name`, write `out`/seed<k>/ and return the histories.

    table: a pairs table; root: the folder of its pictures; rewrite: the paraphraser, which a
    recipe with `paraphrase` needs. ValueError when train or validation has no pair.
    """
    recipe = settings.recipe_of(name)
    source = settings.runs[name].source
    parts = {
        split: rows_of(table, source, [split], f"run {name}") for split in ("train", "validation")
    }
    rewritten = None
    if recipe.paraphrase:
        if rewrite is None:
            raise ValueError(f"run {name}: its recipe asks for paraphrases, no rewriter was given")
        rewritten = rewrite(parts["train"]["text"].tolist())
    sets = {
        split: _cache(towers, root, rows, rewritten if split == "train" else None, split, name)
        for split, rows in parts.items()
    }
    key = digest_of(
        [towers.digest, asdict(recipe), settings.keep_epochs]
        + [value for pairs, found in sets.values() for value in (_digest(pairs), *_keys(found))]
    )[:24]
    scratch = paths.scratch("retrieval", "finetune", key)
    # Projections of pooled vectors are so small that a second thread waits more than it works.
    pooled = all(one.hidden.ndim == 2 for one in sets["train"][1])
    with one_thread_each(towers.encoder.device) if pooled else nullcontext():
        histories = [
            _seed(towers, sets, recipe, seed, scratch, settings) for seed in settings.seeds
        ]
    _publish(scratch, out, settings.seeds)
    return histories


def _cache(
    towers: Towers,
    root: Path,
    rows: pd.DataFrame,
    rewritten: list[str | None] | None,
    split: str,
    name: str,
) -> tuple[Pairs, tuple[Pictures, Titles]]:
    """Return the pairs of one split and their activations."""
    images = towers.pictures(root, rows["image"].tolist())
    texts, pairs = learnable(rows, images.valid, rewritten)
    if not texts:
        raise ValueError(f"run {name}: no {split} row has both a readable picture and a text")
    return pairs, (images, towers.titles(texts))


def _seed(
    towers: Towers,
    sets: dict[str, tuple[Pairs, tuple[Pictures, Titles]]],
    recipe: Recipe,
    seed: int,
    scratch: Path,
    settings: FinetuneRetrieval,
) -> dict[str, Any]:
    """Train one seed into scratch/seed<k>, unless that is finished, and return its history."""
    folder = scratch / f"seed{seed}"
    if (folder / HISTORY).is_file():
        return json.loads((folder / HISTORY).read_text(encoding="utf-8"))
    folder.mkdir(exist_ok=True)
    towers.load(towers.zero)
    pairs, found = sets["train"]
    batches = PairBatches(pairs, found, recipe.batch, seed, towers.on_device)
    zero_shot = validation_mrr(towers, *sets["validation"])
    checkpoint = folder / "run.ckpt"
    history = fit(
        towers.split,
        batches,
        replace(recipe.train, seed=seed),
        lambda: validation_mrr(towers, *sets["validation"]),
        checkpoint=checkpoint,
        key=f"{scratch.name} {seed}",
        after_epoch=lambda epoch, trained: _write(folder / f"epoch{epoch}.part", trained, towers),
    )
    trained = {n: p for n, p in towers.split.named_parameters() if p.requires_grad}
    _write(folder / THETA, trained, towers)
    best = _keep(folder, history, settings.keep_epochs)
    record = {
        "seed": seed,
        "encoder": towers.encoder.info["name"],
        "boundaries": dict(zip(("image", "text"), towers.boundaries, strict=True)),
        "pairs": {split: len(pairs.title) for split, (pairs, _) in sets.items()},
        "weights_trained": int(sum(value.numel() for value in trained.values())),
        "zero_shot": zero_shot,
        "best_epoch": best,
        "history": history,
    }
    _write_json(folder / HISTORY, record)
    checkpoint.unlink(missing_ok=True)
    return record


def validation_mrr(towers: Towers, pairs: Pairs, found: tuple[Pictures, Titles]) -> float:
    """Return the mean reciprocal rank of validation titles among the validation pictures."""
    images, texts = found
    shown = np.unique(pairs.picture)
    image = towers.image_features(images, shown)
    text = towers.text_features(texts, pairs.title)
    right = np.searchsorted(shown, pairs.picture)
    starts = range(0, len(text), 1024)
    parts = [mrr(text[i : i + 1024] @ image.T, right[i : i + 1024]) for i in starts]
    return float(np.concatenate(parts).mean())


def _write(file: Path, trained: dict[str, torch.Tensor], towers: Towers) -> None:
    """Write trained tensors by their names in the model, with the encoder they belong to."""
    tensors = {
        name.removeprefix(PREFIX): value.detach().cpu().contiguous()
        for name, value in trained.items()
    }
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    save_file(tensors, part, metadata={"encoder_sha256": towers.digest})
    os.replace(part, file)


def _keep(folder: Path, history: list[dict[str, float]], keep: int) -> int:
    """Keep the best epochs besides the best one, which is theta_1; return that one's number."""
    ranked = sorted(history, key=lambda row: (-row["validation"], row["epoch"]))
    for place, row in enumerate(ranked):
        file = folder / f"epoch{row['epoch']}.part"
        if 1 <= place <= keep:
            os.replace(file, file.with_suffix(".safetensors"))
        else:
            file.unlink(missing_ok=True)
    return int(ranked[0]["epoch"])


def _publish(scratch: Path, out: Path, seeds: Sequence[int]) -> None:
    """Move the finished seeds to `out`, which appears whole or not at all."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for seed in seeds:
        shutil.copytree(scratch / f"seed{seed}", part / f"seed{seed}")
    shutil.rmtree(out, ignore_errors=True)
    os.replace(part, out)
    shutil.rmtree(scratch)


def _write_json(file: Path, value: Any) -> None:
    """Write JSON that appears whole; its presence says that the seed is finished."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    os.replace(part, file)


def _digest(pairs: Pairs) -> list[str]:
    """Return what identifies the pairs."""
    return [digest_of([array.tolist()]) for array in vars(pairs).values()]


def _keys(found: tuple[Pictures, Titles]) -> list[str]:
    return [one.key for one in found]

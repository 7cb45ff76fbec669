"""The study's inputs from a notebook's parameters: paths, or a smoke run made on the spot."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pandas as pd

from lib import params, paths
from lib.data import readers as data
from lib.embed import embed_pairs
from lib.embeddings import Embeddings, read_embeddings
from lib.encoders import Encoder, load_encoder
from lib.retrieval import rewriting
from lib.retrieval.finetune import FinetuneRetrieval
from lib.retrieval.finetune.run import HISTORY, tune
from lib.retrieval.finetune.towers import Towers
from lib.retrieval.study.inputs import Inputs, Rewrite, WiseFtRetrieval
from lib.sample.tiny import tiny_clip
from lib.schema import read_pairs, write_pairs

NEWS, EXTRA = "newsimages", "news_pairs"


def open_inputs(
    config: str,
    settings: WiseFtRetrieval,
    pairs: str = "",
    root: str = "",
    embeddings: str = "",
    models: str = "",
) -> Inputs:
    """Open the inputs; every path that is "" is the config's, then the smoke run's.

    pairs: parquet file; root: folder of the pictures; embeddings: folder with one folder an
    encoder; models: folder with one folder a fine-tuning run. ValueError, one line, when only some
    of pairs, embeddings and models are given, or when an encoder has changed since.
    """
    given = {"pairs": pairs, "embeddings": embeddings, "models": models}
    if any(given.values()) and not all(given.values()):
        missing = next(name for name, path in given.items() if not path)
        raise ValueError(f"{missing}: belongs to {', '.join(given)}; give all, or none for a smoke")
    finetune = params.load(config, "finetune_retrieval", FinetuneRetrieval)
    rewrite = rewriting.make(params.load(config, "rewriting", rewriting.Settings)).rewrite
    folder = data.find_root(NEWS, root, data.load_settings(NEWS, config))
    if not pairs:
        pairs, embeddings, models = smoke(config, folder, settings, finetune, rewrite)
    table = read_pairs(paths.resolve(pairs))
    found = {name: read_embeddings(f"{embeddings}/{name}", pairs) for name in settings.all_encoders}
    load = {name: partial(_load, e, finetune.device) for name, e in found.items()}
    where = paths.resolve(models)
    return Inputs(table, folder, settings, finetune, load, found, where, rewrite, planted(folder))


def _load(embeddings: Embeddings, device: str) -> Encoder:
    """The encoder that made some embeddings; ValueError if its weights are others now."""
    info = embeddings.manifest["encoder"]
    encoder = load_encoder(info["name"], info["pretrained"], device)
    if encoder.info["weights_sha256"] != info["weights_sha256"]:
        raise ValueError(f"{info['name']}: has other weights than the embeddings were made with")
    return encoder


def planted(root: Path) -> dict[str, str] | None:
    """Kind of every pair of a sample corpus, person or scene, by id; None for a real one."""
    file = root / "truth.csv"
    if not file.is_file():
        return None
    truth = pd.read_csv(file, dtype=str, keep_default_na=False)
    return dict(zip(truth["set"] + "/" + truth["article"], truth["kind"], strict=True))


def histories(models: Path) -> pd.DataFrame:
    """What training said, one row a run and seed.

    Returns run, epochs, seed, weights_trained, best_epoch, zero_shot and validation_mrr (MRR on
    validation pairs before training, and after the best epoch).
    """
    rows = []
    for file in sorted(models.glob(f"*/seed*/{HISTORY}")):
        log = json.loads(file.read_text(encoding="utf-8"))
        row = {"run": file.parent.parent.name, "epochs": len(log["history"])}
        row |= {key: log[key] for key in ("seed", "weights_trained", "best_epoch", "zero_shot")}
        best = max(epoch["validation"] for epoch in log["history"])
        rows.append(row | {"validation_mrr": best})
    return pd.DataFrame(rows)


def smoke(
    config: str,
    root: Path,
    settings: WiseFtRetrieval,
    finetune: FinetuneRetrieval,
    rewrite: Rewrite,
) -> tuple[str, str, str]:
    """Pairs table, embeddings and fine-tuned models of the smoke corpora, made in seconds.

    Every encoder of the settings is the tiny untrained one.
    """
    folder = paths.scratch("smoke", "retrieval")
    pairs = _pairs(config, NEWS, root, folder)
    extra_root = data.find_root(EXTRA, "", data.load_settings(EXTRA, config))
    extra = _pairs(config, EXTRA, extra_root, folder)
    encoder = load_encoder(f"local-dir:{tiny_clip()}")
    for name in settings.all_encoders:
        embed_pairs(pairs, root, encoder, folder / "embeddings" / name)
    tables = {pairs: (read_pairs(pairs), root), extra: (read_pairs(extra), extra_root)}
    for name in (*settings.tuned, settings.text_run):
        table, pictures = tables[extra if name == settings.text_run else pairs]
        towers = Towers(load_encoder(f"local-dir:{tiny_clip()}"), finetune.recipe_of(name), False)
        tune(table, pictures, towers, finetune, name, folder / "models" / name, rewrite)
    return str(pairs), str(folder / "embeddings"), str(folder / "models")


def _pairs(config: str, dataset: str, root: Path, folder: Path) -> Path:
    """Prepare a data set; returns its pairs table."""
    reading, _ = data.prepare(dataset, root, data.load_settings(dataset, config))
    write_pairs(reading.pairs, folder / f"{dataset}.parquet")
    return folder / f"{dataset}.parquet"

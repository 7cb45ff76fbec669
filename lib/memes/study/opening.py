"""The study's inputs from a notebook's parameters: paths, or a smoke run made on the spot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib import params, paths
from lib.data import readers as data
from lib.data.readers.mami import LABELS
from lib.data.readers.mami.cleaning import clean
from lib.embed import embed_pairs
from lib.embeddings import read_embeddings
from lib.encoders import Encoder, encode_texts, load_encoder
from lib.memes import draws, ocr, rivals
from lib.memes.rivals.features import FeatureSettings, read_features
from lib.memes.rivals.features.making import make_features
from lib.memes.study.inputs import SslMemes, StudyInputs, with_copies
from lib.memes.study.runs import Source
from lib.memes.systems import build
from lib.sample.tiny import tiny_clip
from lib.schema import read_pairs, write_pairs

DATASET = "mami"


def open_inputs(
    config: str,
    settings: SslMemes,
    pairs: str = "",
    root: str = "",
    embeddings: str = "",
    features: str = "",
    readings: str = "",
) -> StudyInputs:
    """Open the inputs; every path that is "" is the config's, then the smoke run's.

    pairs: parquet file; root: folder of the pictures; embeddings: folder with one folder an
    encoder; features: folder of lib.memes.rivals; readings: folder of lib.memes.ocr. ValueError,
    one line, when only some of them are given (but root), or when a meme has no label.
    """
    given = {"pairs": pairs, "embeddings": embeddings, "features": features, "readings": readings}
    if any(given.values()) and not all(given.values()):
        missing = next(name for name, path in given.items() if not path)
        raise ValueError(f"{missing}: belongs to {', '.join(given)}; give all, or none for a smoke")
    folder = data.find_root(DATASET, root, data.load_settings(DATASET, config))
    if not pairs:
        pairs, embeddings, features, readings = smoke(config, folder, settings.encoder)
    table = read_pairs(paths.resolve(pairs))
    _check(table, pairs)
    split = draws.with_validation(table, table[list(LABELS[1:])].to_numpy(), settings.draw)
    table = table.assign(split=split)
    found = read_embeddings(f"{embeddings}/{settings.encoder}", pairs)
    inputs = build(table, found.image, found.text, split)
    read = ocr.read_readings(paths.resolve(readings), paths.resolve(pairs))
    rows = table.index[table["id"].isin(read["id"])].to_numpy()
    read = read.set_index("id").loc[table["id"][rows]].reset_index()
    texts = [clean(text) for text in read["read"]]
    copied = with_copies(inputs, rows, encode_texts(_encoder(found.manifest["encoder"]), texts))
    ids = np.concatenate([table["id"], table["id"][rows]])
    errors = ocr.error_rates(read).assign(memes=len(read))
    source = Source(copied, len(table), str(pairs), str(features))
    manifest = read_features(features, pairs).manifest
    remarks = rivals.remarks(settings.systems, manifest)
    return StudyInputs(table, folder, settings, source, ids, errors, remarks)


def _check(table: pd.DataFrame, pairs: Path | str) -> None:
    """Refuse a table without labels or without one of the splits."""
    where = paths.relative(pairs)
    for split in ("train", "test"):
        if not (table["split"] == split).any():
            raise ValueError(f"{where}: no {split} memes")
    unknown = table.index[(table[list(LABELS)] < 0).any(axis=1)]
    if len(unknown):
        row = unknown[0]
        raise ValueError(f"{where}, row {row + 1} ({table['id'][row]}): no label; put the label "
                         "file of the test set beside it")  # fmt: skip


def _encoder(info: Mapping[str, Any]) -> Encoder:
    """The encoder that made the embeddings; ValueError if its weights are others now."""
    encoder = load_encoder(info["name"], info["pretrained"])
    if encoder.info["weights_sha256"] != info["weights_sha256"]:
        raise ValueError(f"{info['name']}: has other weights than the embeddings were made with")
    return encoder


def planted(root: Path) -> dict[str, Any]:
    """The card of a sample corpus; empty for a real one."""
    file = root / "card.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def smoke(config: str, root: Path, encoder: str) -> tuple[str, str, str, str]:
    """Pairs table, embeddings, rivals' features and readings of the smoke corpus, made in seconds.

    The encoder, whatever its name, is the tiny untrained one.
    """
    folder = paths.scratch("smoke", "memes")
    reading, _ = data.prepare(DATASET, root, data.load_settings(DATASET, config))
    pairs = folder / f"{DATASET}.parquet"
    write_pairs(reading.pairs, pairs)
    model = load_encoder(f"local-dir:{tiny_clip()}")
    embed_pairs(pairs, root, model, folder / "embeddings" / encoder)
    asked = params.load(config, "memes_rivals", FeatureSettings)
    make_features(pairs, root, model, folder / "features", asked)
    reader = params.load(config, ocr.SECTION, ocr.Settings)
    texts = reading.pairs.loc[reading.pairs["split"] == "train", "text"].map(clean).tolist()
    ocr.read_back(ocr.choose(reading.pairs, reader), root, folder / "readings", reader, texts)
    names = "embeddings", "features", "readings"
    return str(pairs), *(str(folder / name) for name in names)

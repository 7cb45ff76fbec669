"""What the zero-shot study reads: posts, pictures, judgements and embeddings, or smoke ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib import paths
from lib.data import readers as data
from lib.embed import embed_pairs
from lib.embeddings import read_embeddings
from lib.encoders import encode_texts, load_encoder
from lib.places.labels import read_labels
from lib.places.study import prompt_features
from lib.places.study.systems import Features, ZeroShotPlaces
from lib.sample.tiny import tiny_clip
from lib.schema import read_pairs, write_pairs
from lib.trunks import REMEMBER, remembered

DATASET = "instacities"


@dataclass(frozen=True)
class Inputs:
    """Everything the study looks at, rows in one order."""

    pairs: pd.DataFrame  # with column `label`: raw name, none, or "" when nobody judged the post
    root: Path  # folder that column `image` is relative to
    judgements: pd.DataFrame  # id, label, annotator, time
    encoders: list[Features]
    is_sample: bool  # a corpus of this project, free to show


def load(
    config: str,
    settings: ZeroShotPlaces,
    pairs: str = "",
    root: str = "",
    embeddings: str = "",
    labels: str = "",
) -> Inputs:
    """Read the inputs; every path that is "" is the config's, then the smoke corpus'.

    pairs: parquet file; root: folder of the pictures; embeddings: folder with one folder an
    encoder; labels: folder of annotators' CSV files, "" = the label column of the pairs (gold).
    ValueError, one line, when only one of pairs and embeddings is given.
    """
    if bool(pairs) != bool(embeddings):
        raise ValueError("pairs and embeddings belong together: give both, or none for a smoke run")
    folder = data.find_root(DATASET, root, data.load_settings(DATASET, config))
    if not pairs:
        pairs, embeddings = smoke(config, folder)
    table = read_pairs(paths.resolve(pairs))
    if "label" not in table:
        table = table.assign(label="")
    table, judgements = judged(table, folder, labels)
    found = [_features(name, f"{embeddings}/{name}", pairs, settings) for name in settings.encoders]
    return Inputs(table, folder, judgements, found, (folder / "card.json").is_file())


def smoke(config: str, root: Path) -> tuple[str, str]:
    """Pairs table and embeddings of a few posts by the tiny untrained encoder, made in seconds."""
    reading, _ = data.prepare(DATASET, root, data.load_settings(DATASET, config))
    pairs = paths.scratch("smoke", "places") / "pairs.parquet"
    write_pairs(reading.pairs, pairs)
    folder = paths.scratch("smoke", "places", "embeddings")
    encoder = load_encoder(f"local-dir:{tiny_clip()}")
    embed_pairs(pairs, root, encoder, folder / "tiny_clip")
    return str(pairs), str(folder)


def judged(table: pd.DataFrame, root: Path, labels: str = "") -> tuple[pd.DataFrame, pd.DataFrame]:
    """The pairs with the label to be used, and all judgements (id, label, annotator, time).

    labels: folder of annotators' files, whose answers replace the pairs' own (the most frequent;
    a tie goes to the first given). "" = the pairs' gold labels, which other `gold*.csv` files in
    the data set's root are compared with but do not change.
    """
    if not labels:
        gold = table.loc[table["label"] != "", ["id", "label"]].assign(annotator="gold", time="")
        others = [read_labels(file) for file in sorted(root.glob("gold_*.csv"))]
        judgements = pd.concat([gold, *others], ignore_index=True)
        return table, judgements[judgements["id"].isin(table["id"])].reset_index(drop=True)
    files = sorted(paths.resolve(labels).glob("*.csv"))
    if not files:
        raise ValueError(f"{labels}: holds no annotator's CSV file")
    judgements = pd.concat([read_labels(file) for file in files], ignore_index=True)
    unknown = judgements.loc[~judgements["id"].isin(table["id"]), "id"]
    if len(unknown):
        raise ValueError(f"{labels}: post {unknown.iloc[0]} is judged but is not in the pairs")
    answer = judgements.groupby("id", sort=False)["label"].agg(lambda x: x.value_counts().index[0])
    return table.assign(label=table["id"].map(answer).fillna("").astype(str)), judgements


def _features(name: str, folder: str, pairs: str, settings: ZeroShotPlaces) -> Features:
    """Cached features of the posts, and those of the prompts from the same encoder."""
    cached = read_embeddings(folder, pairs)
    info = cached.manifest["encoder"]
    encoder = load_encoder(info["name"], info["pretrained"])
    if encoder.info["weights_sha256"] != info["weights_sha256"]:
        raise ValueError(f"{folder}: made with other weights than {info['name']} has now")
    encoder = replace(encoder, model=remembered(encoder.model, REMEMBER))  # the same prompts again
    classes, others = prompt_features(lambda t: encode_texts(encoder, t), settings.prompt_sets)
    image, text = (np.asarray(x, dtype=np.float32) for x in (cached.image, cached.text))
    return Features(name, image, text, classes, others)

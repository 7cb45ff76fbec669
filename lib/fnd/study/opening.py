"""The study's inputs from a notebook's parameters: paths, or a smoke run made on the spot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lib import params, paths
from lib.data import readers as data
from lib.embed import embed_pairs
from lib.encoders import load_encoder
from lib.fnd.features import FeatureSettings, make_features
from lib.fnd.inputs import Inputs, read_inputs
from lib.fnd.study.plan import FndStudy
from lib.fnd.study.runs import Cache
from lib.fnd.training import FndClipTraining
from lib.sample.tiny import tiny_clip
from lib.schema import read_pairs, write_pairs


@dataclass(frozen=True)
class Opened:
    """What the study works on."""

    inputs: Inputs
    pairs: pd.DataFrame
    root: Path  # of the data set: pictures, and a sample corpus' card
    cache: Cache  # of finished runs

    @property
    def sample(self) -> bool:
        """Whether this is a sample corpus."""
        return (self.root / "card.json").is_file()


def open_inputs(
    config: str,
    settings: FndClipTraining,
    plan: FndStudy,
    dataset: str = "nmb",
    pairs: str = "",
    root: str = "",
    embeddings: str = "",
    features: str = "",
) -> Opened:
    """Open the inputs; without paths the smoke corpus is read, embedded and its features made.

    pairs: parquet file; root: folder of the pictures; embeddings: folder with a folder for each of
    `settings.clips`; features: folder of the stage features_nmb. ValueError, one line, when only
    some of pairs, embeddings and features are given.
    """
    given = {"pairs": pairs, "embeddings": embeddings, "features": features}
    if any(given.values()) and not all(given.values()):
        missing = next(name for name, path in given.items() if not path)
        raise ValueError(f"{missing}: belongs to {', '.join(given)}; give all, or none for a smoke")
    folder = data.find_root(dataset, root, data.load_settings(dataset, config))
    if not pairs:
        pairs, embeddings, features = smoke(config, dataset, folder, settings)
    inputs = read_inputs(pairs, embeddings, features, settings.clips)
    table = paths.resolve(pairs)
    made = [paths.resolve(embeddings) / clip for clip in settings.clips]
    made += [paths.resolve(features)]
    manifests = [file for one in made for file in sorted(one.glob("manifest.json"))]
    cache = Cache(paths.scratch("fnd", "runs"), [table, *manifests], settings, plan)
    return Opened(inputs, read_pairs(table), folder, cache)


def smoke(config: str, dataset: str, root: Path, settings: FndClipTraining) -> tuple[str, str, str]:
    """Return pairs table, embeddings and features of the smoke corpus, made in seconds.

    Every CLIP of the settings is the tiny untrained one.
    """
    folder = paths.scratch("smoke", "fnd")
    pairs = folder / f"{dataset}.parquet"
    reading, _ = data.prepare(dataset, root, data.load_settings(dataset, config))
    write_pairs(reading.pairs, pairs)
    encoder = load_encoder(f"local-dir:{tiny_clip()}")
    for name in settings.clips:
        embed_pairs(pairs, root, encoder, folder / "embeddings" / name)
    towers = params.load(config, "features_nmb", FeatureSettings)
    make_features(pairs, root, towers, folder / "features")
    return str(pairs), str(folder / "embeddings"), str(folder / "features")

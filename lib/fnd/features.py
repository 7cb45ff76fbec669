"""Frozen features of the fake-news study: every tower runs once, and training reads arrays.

    python -m lib.fnd.features --config params.yaml --pairs <parquet> --root <folder> --out <folder>

CLIP's features come from `lib.embed`; here are the other towers', and everything of a few hundred
test articles whose picture or text was perturbed, CLIP's features of them included.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from lib import params, paths
from lib.boundary import folded
from lib.data.images import ImageError, load_rgb
from lib.embeddings import digest_of, pairs_digest
from lib.encoders import Encoder, EncoderSource, encode_pixels, encode_texts, load_encoder
from lib.fnd.towers import image as images
from lib.fnd.towers import text as texts
from lib.fnd.towers.arrays import image_arrays, text_arrays
from lib.fnd.towers.perturbing import IMAGE_KINDS, TEXT_KINDS, perturb_image, perturb_text
from lib.fnd.towers.store import MANIFEST, PERTURBED, Arrays, fill, publish
from lib.provenance import record_path, run_record
from lib.schema import read_pairs
from lib.trunks import REMEMBER, remembered
from lib.workers import worker_count

PART = 32  # perturbed articles written at once
Tower = texts.LoadedText | images.LoadedImage


@dataclass(frozen=True)
class FeatureSettings:
    """Settings of the stage; section `features_nmb`."""

    text_towers: tuple[texts.TextTower, ...]
    image_towers: tuple[images.ImageTower, ...]
    roles: dict[str, str]  # published tower (bert, resnet, ...) -> the tower that fills it
    clip: tuple[EncoderSource, ...] = ()  # what perturbed copies get, as `embed` names it
    perturbed_rows: int = 200  # test articles that are perturbed, drawn at random
    seed: int = 0  # of that draw and of the typing errors
    device: str = "cpu"
    precision: str = "fp32"  # fp32, or amp_bf16 on cuda
    image_batch: int = 16
    text_batch: int = 32
    block: int = 256  # rows written at once
    workers: int = 0  # threads; 0 = one a core

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        known = [one.name for one in (*self.text_towers, *self.image_towers)]
        if "" in known or len(set(known)) < len(known):
            raise ValueError(f"text_towers: towers need names of their own, got {known}")
        for role, tower in self.roles.items():
            if tower not in known:
                raise ValueError(f"roles.{role}: {tower!r} is not one of {', '.join(known)}")
        if "_" in "".join(self.roles):
            raise ValueError("roles: a role's name has no underscore")
        for key in ("image_batch", "text_batch", "block"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: must be at least 1, got {getattr(self, key)}")


def articles(table: pd.DataFrame) -> list[str]:
    """Return headline and article of each row in one text; the text where there is no article."""
    if "body" not in table:
        return table["text"].tolist()
    return [
        f"{head}. {body}"
        if body and not head.endswith((".", "!", "?"))
        else f"{head} {body}".strip()
        for head, body in zip(table["headline"], table["body"], strict=True)
    ]


def make_features(
    pairs: Path | str, root: Path | str, settings: FeatureSettings, out: Path | str
) -> dict[str, Any]:
    """Write the feature folder `out` and return its manifest; finished features stay as they are.

    `root` is the folder that the column `image` is relative to. Without any picture the image
    towers are left out.
    """
    settings.validate()
    table, root, out = read_pairs(paths.resolve(pairs)), paths.resolve(root), paths.resolve(out)
    towers = _load(settings, bool(table["image"].any()))
    manifest = _manifest(table, root, settings, towers)
    if (out / MANIFEST).is_file() and json.loads((out / MANIFEST).read_text()) == manifest:
        return manifest
    scratch = paths.scratch("fnd", "features", digest_of([manifest])[:24])
    for name, tower in towers.items():
        compute = _computing(tower, table, root, settings)
        workers = worker_count(settings.workers)
        folder = scratch / name
        folder.mkdir(exist_ok=True)
        fill(folder, len(table), compute, settings.block, workers, name, settings.device)
    rows = perturbed_rows(table, settings)
    (scratch / PERTURBED).mkdir(exist_ok=True)
    np.save(scratch / PERTURBED / "rows.npy", rows)
    part = table.iloc[rows].reset_index(drop=True)
    clips = {one.name: _clip(one, settings) for one in settings.clip if manifest["perturbed"]}
    for kind in manifest["perturbed"]:
        _perturb(scratch / PERTURBED / kind, kind, part, root, settings, towers, clips)
    publish(scratch, out, manifest)
    return manifest


def perturbed_rows(table: pd.DataFrame, settings: FeatureSettings) -> np.ndarray:
    """Return the test rows that are perturbed, sorted."""
    test = np.flatnonzero(table["split"] == "test")
    rng = np.random.default_rng(settings.seed)
    return np.sort(rng.permutation(test)[: settings.perturbed_rows])


def _load(settings: FeatureSettings, pictures: bool) -> dict[str, Tower]:
    """Load the towers; without pictures, the text towers alone."""
    loaded = {one.name: texts.load_text(one, settings.device) for one in settings.text_towers}
    if not pictures:
        return loaded
    return loaded | {
        one.name: images.load_image(one, settings.device) for one in settings.image_towers
    }


def _manifest(
    table: pd.DataFrame, root: Path, settings: FeatureSettings, towers: dict[str, Tower]
) -> dict[str, Any]:
    """Return all that decides the result; `workers` does not, and file sizes stand for content."""
    made = asdict(settings)
    del made["workers"]
    files = [root / name for name in table["image"]]
    pictured = any(isinstance(tower, images.LoadedImage) for tower in towers.values())
    kinds = [*(IMAGE_KINDS if pictured else ()), *TEXT_KINDS]
    whole = {
        "rows": len(table),
        "pairs_sha256": pairs_digest(table),
        "articles_sha256": digest_of(articles(table)),
        "image_sizes_sha256": digest_of(f.stat().st_size if f.is_file() else -1 for f in files),
        "settings": made,
        "roles": {role: name for role, name in settings.roles.items() if name in towers},
        "towers": {
            name: {"model": tower.settings.model, "weights_sha256": _digest(tower)}
            for name, tower in towers.items()
        },
        "perturbed": kinds if len(perturbed_rows(table, settings)) else [],
    }
    return json.loads(json.dumps(whole))


def _digest(tower: Tower) -> str:
    """Return the sha256 of a tower's weights."""
    text = isinstance(tower, texts.LoadedText)
    return texts.tower_digest(tower) if text else images.tower_digest(tower)


def _computing(
    tower: Tower,
    table: pd.DataFrame,
    root: Path,
    settings: FeatureSettings,
    change: Callable[[Image.Image], Image.Image] = lambda picture: picture,
) -> Callable[[slice], Arrays]:
    """Return the function that computes a tower's arrays of a block of rows."""
    if isinstance(tower, texts.LoadedText):
        whole = articles(table)
        return lambda rows: text_arrays(tower, whole[rows], settings.text_batch, settings.precision)
    files = [root / name if name else None for name in table["image"]]
    bottom, top = images.halves(tower)
    return lambda rows: image_arrays(
        tower, bottom, top, files[rows], settings.image_batch, settings.precision, change
    )


def _clip(one: EncoderSource, settings: FeatureSettings) -> Encoder:
    """Load a CLIP for inference; another one of the same trunks computes their vectors once."""
    encoder = load_encoder(
        one.model, one.pretrained, settings.device, settings.precision, one.resize
    )
    return replace(encoder, model=remembered(folded(encoder.model), REMEMBER))


def _perturb(
    folder: Path,
    kind: str,
    table: pd.DataFrame,
    root: Path,
    settings: FeatureSettings,
    towers: dict[str, Tower],
    clips: dict[str, Encoder],
) -> None:
    """Write the arrays of perturbed articles: of one modality's towers, and of each CLIP."""
    pictures = kind in IMAGE_KINDS
    rng = np.random.default_rng(settings.seed)
    if not pictures:
        columns = [name for name in ("text", "headline", "body") if name in table]
        table = table.assign(
            **{name: [perturb_text(one, kind, rng) for one in table[name]] for name in columns}
        )

    def change(picture: Image.Image) -> Image.Image:
        return perturb_image(picture, kind)

    jobs = {
        name: _computing(tower, table, root, settings, change)
        for name, tower in towers.items()
        if isinstance(tower, images.LoadedImage) == pictures
    }
    for name, encoder in clips.items():
        job = (
            _clip_images(encoder, table, root, change) if pictures else _clip_texts(encoder, table)
        )
        jobs[f"clip/{name}"] = job
    workers = worker_count(settings.workers)
    for name, compute in jobs.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        fill(folder / name, len(table), compute, PART, workers, f"{kind} {name}", settings.device)


def _clip_images(
    encoder: Encoder, table: pd.DataFrame, root: Path, change: Callable[[Any], Any]
) -> Callable[[slice], Arrays]:
    """Return what computes CLIP's features of changed pictures; NaN where none can be read."""

    def compute(rows: slice) -> Arrays:
        names = table["image"].iloc[rows].tolist()
        out = np.full((len(names), encoder.dim), np.nan, np.float16)
        for row, name in enumerate(names):
            if name and (root / name).is_file():
                try:
                    picture = load_rgb(root / name)
                except ImageError:  # reported by the data stage and by lib.embed
                    continue
                out[row] = encode_pixels(encoder, encoder.preprocess(change(picture))[None])[0]
        return {"image": out}

    return compute


def _clip_texts(encoder: Encoder, table: pd.DataFrame) -> Callable[[slice], Arrays]:
    """Return what computes CLIP's features of texts."""
    return lambda rows: {"text": encode_texts(encoder, table["text"].iloc[rows].tolist(), PART)}


def main(argv: list[str] | None = None) -> None:
    """Command line of the stage."""
    parser = argparse.ArgumentParser(prog="python -m lib.fnd.features")
    for name in ("config", "pairs", "root", "out"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args(argv)
    try:
        settings = params.load(args.config, "features_nmb", FeatureSettings)
        with run_record(record_path(args.out), "features_nmb", vars(args) | asdict(settings)):
            manifest = make_features(args.pairs, args.root, settings, args.out)
    except (OSError, RuntimeError, ValueError) as error:
        raise SystemExit(" ".join(str(error).split())) from None
    names = ", ".join(manifest["towers"])
    print(f"{args.out}: {manifest['rows']} rows of {names}; {len(manifest['perturbed'])} perturbed")


if __name__ == "__main__":
    main()

"""Command line of the stage `sample_clip`: scenes, two models, recall table."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from lib import params, paths
from lib.boundary import Split
from lib.checkpoints import LOCAL, save_local_dir
from lib.embeddings import digest_of
from lib.encoders import one_thread_each
from lib.metrics import mrr
from lib.provenance import record_path, run_record
from lib.sample import pictograms
from lib.sample.clip import ClipSettings, recall, towers
from lib.sample.clip.align import CachedBatches, Texts, cache_texts, painters
from lib.sample.clip.pictures import Item, draw_items, draw_singles, split_concepts
from lib.training import fit

MODELS = {  # name -> artists whose scenes it is trained on
    "sample_clip_l": ("openmoji",),
    "sample_clip_h": ("openmoji", "twemoji"),
}
Sets = dict[str, list[Item]]


def make(settings: ClipSettings, out: Path) -> dict[str, object]:
    """Train and save both models into `out`, write sample_clip.json there and return it.

    Finished scenes and epochs are kept in the scratch folder until the end, so a killed run goes
    on where it stopped.
    """
    started = time.perf_counter()
    sets, trials = draw_sets(settings)
    key = digest_of([json.dumps(asdict(settings)), *(repr(items) for items in sets.values())])[:24]
    scratch = paths.scratch("sample_clip", key)
    images = _images(sets, settings, scratch)
    rows, spent = [], {"scenes": round(time.perf_counter() - started, 1)}
    texts = None
    for name, artists in MODELS.items():
        at = time.perf_counter()
        model = towers.build(settings.dim, settings.image_size, settings.seed)
        split = Split(model, settings.image_boundary, settings.text_boundary).eval()
        texts = texts or _texts(split, sets, settings)
        history = train(split, artists, sets, images, texts, settings, scratch / f"{name}.ckpt")
        config = towers.model_config(settings.dim, settings.image_size)
        save_local_dir(model, out / name, config, towers.text_files())
        for trial in trials:
            made = recall.measure(split, images[trial.name], texts, trial, settings.seed)
            rows += [{"model": name, "epochs": len(history)} | row for row in made]
        spent[name] = round(time.perf_counter() - at, 1)
    report = {"settings": asdict(settings), "recall": rows}
    part = out / f".sample_clip.{os.getpid()}.part"
    part.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, out / "sample_clip.json")
    shutil.rmtree(scratch)
    return report | {"seconds": spent}


def draw_sets(settings: ClipSettings) -> tuple[Sets, list[recall.Trial]]:
    """Return the items of every set by name, and the recall tests, whose items are sets too."""
    seen, unseen = split_concepts(settings.held_out, settings.seed)
    catalogue = set(pictograms.catalogue()["emoji"])
    things = [emoji for emoji in seen if emoji in catalogue]
    train = _training(things, seen, settings)
    sets = {"train openmoji": train, "train twemoji": _redrawn(train, settings)}
    for artist in pictograms.ARTISTS:
        sets[f"validation {artist}"] = draw_items(
            things, artist, settings.validation, settings.strength_l, settings.seed + 30,
            places=settings.places, portraits=settings.portraits,
        )  # fmt: skip
    trials = recall.trials(seen, unseen, settings.gallery, settings.strength_l, settings.seed)
    return sets | {trial.name: trial.items for trial in trials}, trials


def _training(things: list[str], seen: tuple[str, ...], settings: ClipSettings) -> list[Item]:
    """Return the first artists' training items: scenes of things, and singles of all concepts."""
    scenes = draw_items(
        things, "openmoji", settings.scenes, settings.strength_l, settings.seed,
        places=settings.places, portraits=settings.portraits, restyled=settings.restyled,
    )  # fmt: skip
    order = np.random.default_rng([settings.seed, 8]).permutation(len(seen))
    alone = [seen[i] for i in order[: settings.singles]]
    return scenes + draw_singles(
        alone, "openmoji", settings.strength_l, settings.seed, settings.restyled
    )


def _redrawn(items: list[Item], settings: ClipSettings) -> list[Item]:
    """Return the same scenes by the second artists, degraded anew and more heavily."""
    rng = np.random.default_rng([settings.seed, 6])
    return [
        replace(
            item,
            scene=replace(item.scene, artist="twemoji", seed=int(rng.integers(2**32))),
            strength=float(rng.uniform(0, settings.strength_h)),
            seed=int(rng.integers(2**32)),
        )
        for item in items
    ]


def train(
    split: Split,
    artists: tuple[str, ...],
    sets: Sets,
    images: dict[str, torch.Tensor],
    texts: Texts,
    settings: ClipSettings,
    checkpoint: Path,
) -> list[dict[str, float]]:
    """Align one model on the scenes of `artists`; return its history."""
    items = [item for artist in artists for item in sets[f"train {artist}"]]
    cached = torch.cat([images[f"train {artist}"] for artist in artists])
    batches = CachedBatches(cached, items, texts, settings.batch, settings.seed, settings.dropout)
    key = digest_of([checkpoint.stem, checkpoint.parent.name])
    return fit(
        split,
        batches,
        settings.train,
        lambda: _validate(split, artists, sets, images, texts),
        is_new=lambda name: name.startswith(("model.visual.head", "model.text.proj")),
        checkpoint=checkpoint,
        key=key,
    )


def _validate(
    split: Split,
    artists: tuple[str, ...],
    sets: Sets,
    images: dict[str, torch.Tensor],
    texts: Texts,
) -> float:
    """Return the mean reciprocal rank of validation captions, over the model's artists."""
    scores = []
    for artist in artists:
        items = sets[f"validation {artist}"]
        text = recall.encode_texts(split, texts, [item.captions[0] for item in items])
        image = recall.encode_images(split, images[f"validation {artist}"])
        right = np.arange(len(items))
        scores += [mrr(text @ image.T, right).mean(), mrr(image @ text.T, right).mean()]
    return float(np.mean(scores))


def _images(sets: Sets, settings: ClipSettings, scratch: Path) -> dict[str, torch.Tensor]:
    """Return every set's activations, from scratch where a killed run left them."""
    files = {name: scratch / f"{name.replace(' ', '_').replace(',', '')}.st" for name in sets}
    missing = [name for name, file in files.items() if not file.is_file()]
    if missing:
        with painters(settings.image_size, settings.image_boundary, settings.workers) as paint:
            for name in missing:
                part = files[name].with_suffix(".part")
                save_file({"image": paint(sets[name], name)}, part)
                os.replace(part, files[name])
    return {name: load_file(file)["image"] for name, file in files.items()}


def _texts(split: Split, sets: Sets, settings: ClipSettings) -> Texts:
    """Return all captions and queries at the text boundary, which both models share."""
    captions = [text for items in sets.values() for item in items for text in item.captions]
    queries = [
        text
        for name, items in sets.items()
        if not name.startswith(("train", "validation"))
        for text in recall.query_texts(items)
    ]
    tokenizer = AutoTokenizer.from_pretrained(str(towers.text_folder()))

    def tokenize(strings: list[str]) -> torch.Tensor:
        return tokenizer(strings, padding=True, truncation=True, return_tensors="pt").input_ids

    return cache_texts(split, tokenize, captions + queries, settings.workers)


def main(argv: list[str] | None = None) -> None:
    """Read the settings, make the models, print the recall table."""
    parser = argparse.ArgumentParser(prog="python -m lib.sample.clip")
    parser.add_argument("--config", required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args(argv)
    try:
        settings = params.load(args.config, "sample_clip", ClipSettings)
    except params.ParamsError as error:
        raise SystemExit(str(error)) from None
    out = paths.resolve(args.out)
    seeds = (settings.seed, settings.train.seed)
    # The products are small: a second thread would wait more than work, and spin on busy cores.
    with run_record(record_path(out), "sample_clip", settings, seeds), one_thread_each():
        report = make(settings, out)
    for row in report["recall"]:
        if row["k"] == 1:
            print(
                "{model} · {test} · {direction} R@1 {recall:.3f} [{low:.3f}, {high:.3f}]".format(
                    **row
                )
            )
    print(f"{LOCAL}{args.out}: seconds {report['seconds']}")


if __name__ == "__main__":
    main()

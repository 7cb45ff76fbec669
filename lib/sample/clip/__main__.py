"""Command line of the stage `sample_clip`: scenes, two models, recall table."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

from lib import params, paths
from lib.checkpoints import LOCAL
from lib.embeddings import digest_of
from lib.encoders import one_thread_each
from lib.provenance import record_path, run_record
from lib.sample import pictograms
from lib.sample.clip import ClipSettings, recall, towers
from lib.sample.clip.align import cache_texts, helpers, paint
from lib.sample.clip.models import MODELS, Data, Sets, align_model, build
from lib.sample.clip.pictures import Item, draw_items, draw_singles, split_concepts


def make(settings: ClipSettings, out: Path) -> dict[str, object]:
    """Train and save both models into `out`, write sample_clip.json there and return it.

    Finished scenes and epochs are kept in the scratch folder until the end, so a killed run goes
    on where it stopped.
    """
    started = time.perf_counter()
    sets, trials = draw_sets(settings)
    key = digest_of([json.dumps(asdict(settings)), *(repr(items) for items in sets.values())])[:24]
    data = Data(settings, sets, trials, paths.scratch("sample_clip", key))
    with helpers(settings.image_size, settings.image_boundary, settings.workers) as over:
        _write_images(over, data)
        _write_texts(data)
        spent = {"scenes": round(time.perf_counter() - started, 1)}
        made = list(over(align_model, [(name, data, out) for name in MODELS]))
    spent |= {name: seconds for name, (_, seconds) in zip(MODELS, made, strict=True)}
    report = {"settings": asdict(settings), "recall": [row for rows, _ in made for row in rows]}
    part = out / f".sample_clip.{os.getpid()}.part"
    part.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(part, out / "sample_clip.json")
    shutil.rmtree(data.scratch)
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


def _write_images(over: Callable[..., Iterator[Any]], data: Data) -> None:
    """Write the activations of every set that a killed run has not left in scratch."""
    for name, items in data.sets.items():
        if not data.images_file(name).is_file():
            made = paint(over, items, data.settings.image_size, name)
            _save({"image": made}, data.images_file(name))


def _write_texts(data: Data) -> None:
    """Write all captions and queries at the text boundary, which both models share."""
    if data.texts_file.is_file():
        return
    tokenizer = AutoTokenizer.from_pretrained(str(towers.text_folder()))

    def tokenize(strings: list[str]) -> torch.Tensor:
        return tokenizer(strings, padding=True, truncation=True, return_tensors="pt").input_ids

    texts = cache_texts(build(data.settings)[1], tokenize, data.captions(), data.settings.workers)
    _save({"hidden": texts.hidden, "ids": texts.ids.contiguous()}, data.texts_file)


def _save(tensors: dict[str, torch.Tensor], file: Path) -> None:
    """Write tensors; the file appears whole."""
    part = file.with_suffix(".part")
    save_file(tensors, part)
    os.replace(part, file)


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

"""Corpora: what the making of each shares: command line, folders, processes, card, smoke size."""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from lib import params, paths
from lib.sample import pictograms, words
from lib.workers import worker_count

CARD = "card.json"
CHUNK = 64  # pictures that a process takes at a time
LICENCES = {
    **pictograms.LICENCES,
    "words": words.LICENCE,
    "pictures": "CC BY-SA 4.0 where adapted from OpenMoji, CC BY 4.0 where adapted from Twemoji",
}


def run(
    section: str,
    settings: type,
    folders: Mapping[str, str],
    build: Callable[..., object],
    tell: Callable[..., Iterable[str]],
    arguments: list[str] | None = None,
) -> int:
    """Run a stage's command line: make what a config file describes; the result is the exit code.

    `folders`: option -> folder to write, unless another is given. `build` takes the settings and
    these folders, `tell` their cards and returns a line on each.
    """
    parser = argparse.ArgumentParser(prog=f"python -m lib.{section}")
    parser.add_argument("--config", default="params.yaml", help=f"file with the section {section}")
    for option, folder in folders.items():
        parser.add_argument(f"--{option}", dest=option, default=folder, help="folder to write")
    options = vars(parser.parse_args(arguments))
    try:
        chosen = params.load(options["config"], section, settings)
    except params.ParamsError as error:
        print(error, file=sys.stderr)
        return 1
    outs = [paths.resolve(options[option]) for option in folders]
    build(chosen, *outs)
    for out, line in zip(outs, tell(*map(read_card, outs)), strict=True):
        print(f"{paths.relative(out)}: {line}")
    return 0


@contextmanager
def fresh(*outs: Path) -> Iterator[list[Path]]:
    """Give an empty folder beside each of `outs`; at the end they take the places of the old ones.

    So a run that fails or is killed leaves the old corpora, or none.
    """
    parts = [out.with_name(f"{out.name}.partial") for out in outs]
    for part in parts:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
    yield parts
    for part, out in zip(parts, outs, strict=True):
        shutil.rmtree(out, ignore_errors=True)
        part.rename(out)


def write_all(
    write: Callable[[Any], None],
    jobs: Iterable[Any],
    alike: Callable[[Any], Any],
    workers: int,
    title: str,
    progress: bool,
) -> None:
    """Call `write` for every job; the work is shared among processes, bytes are not affected.

    Jobs go in the order of the key `alike`, by which pictures of one subject follow each other:
    each drawing is then rasterised in as few processes as possible.
    """
    jobs = sorted(jobs, key=alike)
    bar = {"total": len(jobs), "desc": title, "disable": not progress, "mininterval": 1}
    workers = worker_count(workers)
    if workers == 1:
        for job in tqdm(jobs, **bar):
            write(job)
        return
    with ProcessPoolExecutor(workers) as pool:
        for _ in tqdm(pool.map(write, jobs, chunksize=CHUNK), **bar):
            pass


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table with commas and a header."""
    table.to_csv(path, index=False, lineterminator="\n")


def write_card(card: Mapping[str, Any], folder: Path) -> None:
    """Write a data card into the folder of its corpus."""
    text = json.dumps(card, indent=1, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")


def read_card(folder: Path) -> dict[str, Any]:
    """Return the data card of the corpus in a folder."""
    return json.loads((folder / CARD).read_text(encoding="utf-8"))


def recorded(settings: Any) -> dict[str, Any]:
    """Return the settings that the bytes of a corpus depend on, as a card holds them."""
    found = {key: value for key, value in asdict(settings).items() if key != "workers"}
    return json.loads(json.dumps(found))


def smoke(
    names: Iterable[str], version: int, settings: Any, make: Callable[..., object]
) -> list[Path]:
    """Return the folders of smoke corpora, which `make` writes in seconds if they are not there.

    They are there if their cards have this version and, unless None, these settings.
    """
    outs = [paths.scratch("smoke") / name for name in names]
    with open(outs[0].with_name(f"{outs[0].name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # notebooks and tests may ask at the same time
        if not all(_is_made(out, version, settings) for out in outs):
            make(*outs)
    return outs


def _is_made(folder: Path, version: int, settings: Any) -> bool:
    """Return whether a folder holds the corpus as it would be made now."""
    if not (folder / CARD).is_file():
        return False
    card, wanted = read_card(folder), settings and recorded(settings)
    return card["version"] == version and wanted in (None, card.get("settings"))

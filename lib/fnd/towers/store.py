"""Feature folders: arrays filled block by block, resumable, published whole, read with a check.

A folder holds <tower>/<array>.npy, perturbed/rows.npy, perturbed/<kind>/<tower>/<array>.npy and
manifest.json, which is written last and names the pairs table by its digest.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from lib import paths
from lib.embeddings import locked, pairs_digest
from lib.encoders import one_thread_each
from lib.fnd.towers.image import ImageTower
from lib.fnd.towers.text import TextTower
from lib.schema import read_pairs

MANIFEST = "manifest.json"
PERTURBED = "perturbed"
Arrays = dict[str, np.ndarray]


class FeatureError(RuntimeError):
    """Features cannot be made or do not belong to what is asked; one line says why."""


@dataclass(frozen=True)
class Features:
    """Memory-mapped arrays named <role>_<array>; `names` maps a role to the tower that fills it."""

    arrays: Arrays
    names: dict[str, str]
    perturbed: dict[str, tuple[np.ndarray, Arrays]]  # kind -> (rows, arrays of these rows)
    towers: dict[str, TextTower | ImageTower]  # tower -> its settings


def fill(
    folder: Path,
    rows: int,
    compute: Callable[[slice], Arrays],
    block: int,
    workers: int,
    name: str,
    device: str = "cpu",
) -> None:
    """Fill folder/<array>.npy with (rows, ...) what `compute` returns of each block of rows.

    Blocks are marked as done after their bytes are on disk, so a killed run goes on after its last
    one; blocks run in `workers` threads, of one core each on a CPU.
    """
    blocks = [slice(i, min(i + block, rows)) for i in range(0, rows, block)]
    with locked(folder), one_thread_each(device):
        done = folder / "done.npy"
        if not done.is_file():
            for key, array in compute(slice(0, 1)).items():
                file = folder / f"{key}.npy"
                shape = (rows, *array.shape[1:])
                np.lib.format.open_memmap(file, "w+", array.dtype, shape).flush()
            part = folder / "done.part.npy"
            np.save(part, np.zeros(len(blocks), np.uint8))
            os.replace(part, done)
        marks = np.lib.format.open_memmap(done, "r+")
        files = {
            file.stem: np.lib.format.open_memmap(file, "r+")
            for file in sorted(folder.glob("*.npy"))
            if file != done
        }
        left = [place for place in range(len(blocks)) if not marks[place]]

        def work(place: int) -> int:
            for key, array in compute(blocks[place]).items():
                files[key][blocks[place]] = array
                files[key].flush()
            return place

        with ThreadPoolExecutor(workers) as pool:
            for place in tqdm(pool.map(work, left), total=len(left), desc=name, unit="block"):
                marks[place] = 1
                marks.flush()


def publish(scratch: Path, out: Path, manifest: Mapping[str, Any]) -> None:
    """Move a finished scratch folder to `out`, which appears whole."""
    for leftover in [*scratch.rglob("done.npy"), *scratch.rglob("lock")]:
        leftover.unlink()
    text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    (scratch / MANIFEST).write_text(text, encoding="utf-8")
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out, ignore_errors=True)
    shutil.move(scratch, out)


def read_features(folder: Path, pairs: Path | str) -> Features:
    """Open a feature folder; FeatureError unless it was made from this pairs table."""
    where = paths.relative(folder)
    if not (folder / MANIFEST).is_file():
        raise FeatureError(f"{where}/{MANIFEST}: no such file; run the stage features_nmb")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    digest = pairs_digest(read_pairs(paths.resolve(pairs)))
    if manifest["pairs_sha256"] != digest:
        raise FeatureError(
            f"{where}/{MANIFEST}: made from another pairs table than {paths.relative(pairs)} "
            f"(recorded {manifest['pairs_sha256'][:12]}…, found {digest[:12]}…)"
        )
    roles = manifest["roles"]
    arrays = _of_roles(folder, roles, manifest["rows"])
    perturbed = {}
    for kind in manifest["perturbed"]:
        rows = np.load(folder / PERTURBED / "rows.npy")
        place = folder / PERTURBED / kind
        made = _of_roles(place, roles, len(rows))
        for file in sorted(place.glob("clip/*/*.npy")):
            made[f"{file.parent.name}:{file.stem}"] = np.load(file, mmap_mode="r")
        perturbed[kind] = rows, made
    made = manifest["settings"]
    towers = {one["name"]: TextTower(**one) for one in made["text_towers"]}
    towers |= {one["name"]: ImageTower(**one) for one in made["image_towers"]}
    return Features(arrays, roles, perturbed, towers)


def _of_roles(folder: Path, roles: Mapping[str, str], rows: int) -> Arrays:
    """Return the arrays of a folder under the names of the roles that its towers fill."""
    out: Arrays = {}
    for role, tower in roles.items():
        for file in sorted((folder / tower).glob("*.npy")):
            array = np.load(file, mmap_mode="r")
            if len(array) != rows:
                where = paths.relative(file)
                raise FeatureError(f"{where}: {len(array)} rows, the manifest says {rows}")
            out[f"{role}_{file.stem}"] = array
            if file.stem == "layers":
                out[f"{role}_last"] = array[:, -1]
    return out

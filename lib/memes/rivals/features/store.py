"""Arrays filled block by block in a scratch folder, and moved out when they are whole.

A block is marked as done after its bytes are on disk, so a killed run goes on after its last
block, with the same bytes as one that was not: blocks lie where they lie.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from lib.embeddings import MANIFEST
from lib.encoders import one_thread_each

Arrays = dict[str, np.ndarray]
Compute = Callable[[slice], Arrays]


def fill(
    folder: Path, name: str, rows: int, compute: Compute, block: int, workers: int, device: str
) -> list[str]:
    """Fill the arrays that `compute` makes of blocks of rows; return their names.

    `compute` maps rows start..stop to arrays (stop - start, ...) by name. `name` names the run
    in `folder` and in the progress bar; a finished one is not computed again.
    """
    done = folder / f"{name}.done.npy"
    blocks = [slice(i, min(i + block, rows)) for i in range(0, rows, block)]
    if not done.is_file():
        first = compute(blocks[0])
        for key, made in first.items():
            shape = (rows, *made.shape[1:])
            np.lib.format.open_memmap(folder / f"{key}.npy", "w+", made.dtype, shape).flush()
        (folder / f"{name}.names.json").write_text(json.dumps(sorted(first)))
        part = folder / f"{name}.part.npy"
        np.save(part, np.zeros(len(blocks), np.uint8))
        os.replace(part, done)
    names = json.loads((folder / f"{name}.names.json").read_text())
    marks = np.lib.format.open_memmap(done, "r+")
    arrays = {key: np.lib.format.open_memmap(folder / f"{key}.npy", "r+") for key in names}

    def work(number: int) -> None:
        for key, made in compute(blocks[number]).items():
            arrays[key][blocks[number]] = made
            arrays[key].flush()
        marks[number] = 1
        marks.flush()

    left = np.flatnonzero(marks == 0).tolist()
    with one_thread_each(device), ThreadPoolExecutor(workers) as pool:
        list(tqdm(pool.map(work, left), total=len(left), desc=name, unit="block", delay=5))
    return names


def publish(part: Path, out: Path, manifest: dict[str, Any], names: list[str]) -> None:
    """Move finished arrays into `out`, the manifest last; then the scratch folder goes."""
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    for old in out.glob("*.npy"):
        old.unlink()
    for name in names:
        shutil.move(part / f"{name}.npy", out / f"{name}.npy")
    (part / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    shutil.move(part / MANIFEST, out / MANIFEST)
    shutil.rmtree(part)

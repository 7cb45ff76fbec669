"""Embeddings on disk: the finished folder that studies read, and the one a run is filling."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib import paths
from lib.data.drops import Drops
from lib.schema import read_pairs

KINDS = ("image", "text")
MANIFEST = "manifest.json"
PROGRESS = "progress.jsonl"


class EmbedError(RuntimeError):
    """Embeddings cannot be made or do not belong to what is asked; one line says why."""


@dataclass(frozen=True)
class Embeddings:
    """Memory-mapped (N, d) float16 arrays in the pairs table's order, not normalised.

    `valid` (N,) is False where there is no picture, or none that could be read; its image row is
    NaN.
    """

    image: np.ndarray
    text: np.ndarray
    valid: np.ndarray
    manifest: dict[str, Any]


def read_embeddings(folder: Path | str, pairs: Path | str) -> Embeddings:
    """Open embeddings, memory-mapped; raises EmbedError unless made from this pairs table."""
    folder = paths.resolve(folder)
    where = paths.relative(folder)
    if not (folder / MANIFEST).is_file():
        raise EmbedError(f"{where}/{MANIFEST}: no such file; run the stage embed")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    digest = pairs_digest(read_pairs(paths.resolve(pairs)))
    if manifest["pairs_sha256"] != digest:
        raise EmbedError(
            f"{where}/{MANIFEST}: made from another pairs table than {paths.relative(pairs)} "
            f"(recorded {manifest['pairs_sha256'][:12]}…, found {digest[:12]}…)"
        )
    image, text = (np.load(folder / f"{kind}.npy", mmap_mode="r") for kind in KINDS)
    shape = (manifest["rows"], manifest["dim"])
    if image.shape != shape or text.shape != shape:
        raise EmbedError(f"{where}: shapes {image.shape}, {text.shape}, manifest says {shape}")
    return Embeddings(image, text, ~np.isnan(image[:, 0]), manifest)


def pairs_digest(table: pd.DataFrame) -> str:
    """Return the sha256 of what embeddings depend on: id, image and text, in order."""
    return digest_of(table[["id", "image", "text"]].itertuples(index=False, name=None))


def digest_of(items: Iterable[Any]) -> str:
    """Return the sha256 over the JSON of each item; lengths cannot run into each other."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(json.dumps(item, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; the system frees it when the process dies."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = paths.relative(folder)
            raise EmbedError(f"{where}: another process is making these embeddings") from None
        yield


def open_arrays(folder: Path, rows: int, dim: int) -> dict[str, np.memmap]:
    """Open the two (rows, dim) float16 files of a run; start anew where one is missing."""
    files = [folder / f"{kind}.npy" for kind in KINDS]
    if not all(file.is_file() for file in [*files, folder / PROGRESS]):
        (folder / PROGRESS).unlink(missing_ok=True)
        for file in files:
            np.lib.format.open_memmap(file, "w+", np.float16, (rows, dim)).flush()
    _keep_whole_lines(folder / PROGRESS)
    return {
        kind: np.lib.format.open_memmap(file, "r+") for kind, file in zip(KINDS, files, strict=True)
    }


def _keep_whole_lines(progress: Path) -> None:
    """Create the progress file, or take off a last line that a kill cut short."""
    with progress.open("a+b") as stream:
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)


def record_block(progress: Path, kind: str, block: int, bad: dict[int, str]) -> None:
    """Append a finished block, with its unreadable pictures; its rows must be on disk already."""
    with progress.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps([kind, block, bad]) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_progress(progress: Path) -> dict[tuple[str, int], dict[str, str]]:
    """Return (kind, block) -> unreadable rows, for every finished block."""
    lines = progress.read_text(encoding="utf-8").splitlines()
    return {(kind, block): bad for kind, block, bad in map(json.loads, lines)}


def publish(part: Path, out: Path, manifest: dict[str, Any], drops: Drops) -> None:
    """Move finished files into `out`, the manifest last; then the scratch folder goes."""
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    for kind in KINDS:
        shutil.move(part / f"{kind}.npy", out / f"{kind}.npy")
    drops.write(out / "drops.csv")
    (part / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    shutil.move(part / MANIFEST, out / MANIFEST)
    shutil.rmtree(part)

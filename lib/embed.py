"""Embeddings of a pairs table: image.npy and text.npy in the table's order, once, resumably.

    python -m lib.embed --config params.yaml --pairs <parquet> --root <folder> --out <folder>
        every encoder of the settings, a folder of its name below --out each
    python -m lib.embed ... --encoder local-dir:<folder> --out <folder>
        this one, into --out itself

Each worker thread takes a batch, decodes it and runs it through the model on one core: while one
decodes, another computes, nothing is copied between processes, and all cores stay busy. Rows go
straight to memory-mapped files in a scratch folder named by a digest of everything that decides
the result; a block of rows is recorded as finished after its bytes are on disk, so a run that was
killed continues where it stopped, with the same bytes as one that was not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from lib import params, paths
from lib.boundary import folded
from lib.data.drops import Drops
from lib.data.images import ImageError, load_rgb
from lib.embeddings import (
    KINDS,
    MANIFEST,
    PROGRESS,
    Embeddings,
    EmbedError,
    digest_of,
    locked,
    open_arrays,
    pairs_digest,
    publish,
    read_embeddings,
    read_progress,
    record_block,
)
from lib.encoders import (
    Encoder,
    EncoderSource,
    encode_pixels,
    encode_texts,
    load_encoder,
    one_thread_each,
)
from lib.provenance import record_path, run_record
from lib.schema import read_pairs
from lib.trunks import Remembered, remembered
from lib.workers import worker_count


@dataclass(frozen=True)
class EmbedSettings:
    """Settings of the stage `embed`; batch and block sizes count rows."""

    device: str = "cpu"
    precision: str = "fp32"
    image_batch: int = 16  # a small one stays in a core's caches
    text_batch: int = 128
    block: int = 512
    workers: int = 0  # decoding threads; 0 = one a core
    remember: int = 0  # MB of trunks' vectors kept for the next encoder of the same trunks
    encoders: tuple[EncoderSource, ...] = ()  # those of a command without --encoder

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        for key in ("image_batch", "text_batch", "block"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: must be at least 1, got {getattr(self, key)}")
        for key in ("workers", "remember"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key}: must not be negative, got {getattr(self, key)}")
        names = [one.name for one in self.encoders]
        if "" in names or len(set(names)) < len(names):
            raise ValueError(f"encoders: each needs a name of its own, got {names}")


@dataclass(frozen=True)
class _Batch:
    """Rows of one forward pass and the block they belong to."""

    kind: str
    block: int
    rows: tuple[int, ...]


def embed_pairs(
    pairs: Path | str,
    root: Path | str,
    encoder: Encoder,
    out: Path | str,
    settings: EmbedSettings | None = None,
) -> Embeddings:
    """Embed the pictures and texts of a pairs table into folder `out` and return them.

    `root` is the folder that the column `image` is relative to. An unreadable picture becomes a
    NaN row and a line of drops.csv; a row without a picture becomes a NaN row alone. Finished
    embeddings of the same inputs are not made again.
    """
    settings = settings or EmbedSettings()
    table, root, out = read_pairs(paths.resolve(pairs)), paths.resolve(root), paths.resolve(out)
    facts = [_stat(root / name) for name in table["image"]]
    manifest = _manifest(table, [size for size, _ in facts], encoder, settings)
    if (out / MANIFEST).is_file() and json.loads((out / MANIFEST).read_text()) == manifest:
        return read_embeddings(out, pairs)
    part = paths.scratch("embed", digest_of([json.dumps(manifest, sort_keys=True), facts])[:24])
    with locked(part):
        arrays = open_arrays(part, len(table), encoder.dim)
        arrays["image"][~_has_picture(table)] = np.nan
        drops = _run(table, root, encoder, settings, arrays, part / PROGRESS)
        del arrays
        publish(part, out, manifest, drops)
    return read_embeddings(out, pairs)


def _manifest(
    table: pd.DataFrame, sizes: list[int], encoder: Encoder, settings: EmbedSettings
) -> dict[str, Any]:
    """Return all that decides the result; file sizes stand for content.

    `workers` and `remember` do not change a bit, `encoders` are other results.
    """
    made = asdict(settings)
    del made["workers"], made["remember"], made["encoders"]
    return {
        "encoder": encoder.info,
        "dim": encoder.dim,
        "rows": len(table),
        "dtype": "float16",
        "normalised": False,
        "settings": made,
        "pairs_sha256": pairs_digest(table),
        "image_sizes_sha256": digest_of(sizes),
    }


def _stat(file: Path) -> tuple[int, int]:
    """Return a file's size in bytes and time of change in ns; (-1, -1) where there is none."""
    if not file.is_file():
        return -1, -1
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns


def _run(
    table: pd.DataFrame,
    root: Path,
    encoder: Encoder,
    settings: EmbedSettings,
    arrays: dict[str, np.memmap],
    progress: Path,
) -> Drops:
    """Compute every block that `progress` does not list, and list it once it is on disk."""
    done = read_progress(progress)
    model = remembered(folded(encoder.model), settings.remember)
    encoder = replace(encoder, model=model)
    failures: dict[int, str] = {}
    gate = threading.Semaphore(1 if encoder.device != "cpu" else 1 << 16)

    def work(batch: _Batch) -> None:
        rows = list(batch.rows)
        if batch.kind == "text":
            made = encode_texts(encoder, table["text"].iloc[rows].tolist(), len(rows))
            _check(made, batch)
        else:
            files = [root / name for name in table["image"].iloc[rows]]
            made, bad = _encode_files(encoder, files, gate)
            _check(made, batch)
            failures.update({rows[i]: reason for i, reason in bad.items()})
            made[list(bad)] = np.nan
        arrays[batch.kind][rows] = made

    batches = [b for b in _batches(table, settings) if (b.kind, b.block) not in done]
    left: dict[tuple[str, int], int] = {}
    for batch in batches:
        left[batch.kind, batch.block] = left.get((batch.kind, batch.block), 0) + 1
    total = sum(len(batch.rows) for batch in batches)
    with one_thread_each(encoder.device), tqdm(total=total, desc="embed", unit="row") as bar:
        for batch in _in_parallel(work, batches, worker_count(settings.workers)):
            bar.update(len(batch.rows))
            left[batch.kind, batch.block] -= 1
            if not left[batch.kind, batch.block]:
                arrays[batch.kind].flush()
                bad = _in_block(failures, batch, settings.block)
                record_block(progress, batch.kind, batch.block, bad)
    return _drops(table, read_progress(progress))


def _batches(table: pd.DataFrame, settings: EmbedSettings) -> Iterator[_Batch]:
    """Yield the batches of all blocks: pictures in order, a block's texts by length.

    Batches never cross a block, so a resumed run has the same ones.
    """
    lengths, pictured = table["text"].str.len().to_numpy(), _has_picture(table)
    for kind in KINDS:
        size = settings.image_batch if kind == "image" else settings.text_batch
        for block, start in enumerate(range(0, len(table), settings.block)):
            rows = np.arange(start, min(start + settings.block, len(table)))
            if kind == "text":
                rows = rows[np.argsort(lengths[rows], kind="stable")]
            else:
                rows = rows[pictured[rows]]
            for i in range(0, len(rows), size):
                yield _Batch(kind, block, tuple(rows[i : i + size].tolist()))


def _has_picture(table: pd.DataFrame) -> np.ndarray:
    """Return (N,) whether a row names a picture; a blind test's articles do not."""
    return (table["image"] != "").to_numpy()


def _in_parallel(work: Any, batches: list[_Batch], workers: int) -> Iterator[_Batch]:
    """Run `work` over batches in threads, yielding each when done; at most 2 a worker in flight.

    Each thread is told how many cores a product may have: one that begins with a small product
    would take all of them, and its last bits would be others.
    """
    with ThreadPoolExecutor(
        workers, initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),)
    ) as pool:
        running: dict[Future, _Batch] = {}
        waiting = iter(batches)
        try:
            while True:
                while len(running) < 2 * workers and (batch := next(waiting, None)):
                    running[pool.submit(work, batch)] = batch
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    future.result()
                    yield running.pop(future)
        finally:
            pool.shutdown(cancel_futures=True)


def _encode_files(
    encoder: Encoder, files: list[Path], gate: threading.Semaphore
) -> tuple[np.ndarray, dict[int, str]]:
    """Return features (n, d) of pictures, and the reasons of unreadable ones by position.

    Where the trunk's vectors of these very files are remembered, nothing is decoded.
    """
    memory = encoder.model if isinstance(encoder.model, Remembered) else None
    source = _source(files, encoder) if memory else ""
    with torch.inference_mode():
        if source and (known := memory.recall_image(source)) is not None:
            return known.numpy(), {}
        pixels, bad = _load_batch(encoder, files)
        with gate:  # one forward pass at a time on an accelerator: memory stays flat
            if not source or bad:
                return encode_pixels(encoder, pixels), bad
            upright = pixels.contiguous(memory_format=torch.channels_last)
            return memory.encode_image(upright, source).numpy(), bad


def _source(files: list[Path], encoder: Encoder) -> str:
    """Return a digest of files' bytes and of the preprocessing; "" where one is not there."""
    if not all(file.is_file() for file in files):
        return ""
    known = hashlib.blake2b(json.dumps(encoder.info["preprocess"], sort_keys=True).encode())
    for file in files:
        data = file.read_bytes()
        known.update(len(data).to_bytes(8, "big") + data)
    return known.hexdigest()


def _load_batch(encoder: Encoder, files: list[Path]) -> tuple[torch.Tensor, dict[int, str]]:
    """Return pixels (n, 3, h, w) and the reasons of unreadable files by position in the batch.

    An unreadable picture keeps its place as zeros, so its neighbours' batch, and thus their last
    bits, stay the same; the caller overwrites its row.
    """
    pixels: list[torch.Tensor | None] = []
    bad = {}
    for position, file in enumerate(files):
        try:
            pixels.append(encoder.preprocess(load_rgb(file)))
        except ImageError as error:
            bad[position] = str(error).removeprefix(f"{file}: ")
            pixels.append(None)
    height, width = encoder.info["preprocess"]["size"]
    empty = torch.zeros(3, height, width)
    return torch.stack([empty if one is None else one for one in pixels]), bad


def _check(made: np.ndarray, batch: _Batch) -> None:
    """Raise EmbedError where the model returns a row that is not finite, or nothing but zeros."""
    broken = ~np.isfinite(made).all(1) | ~made.any(1)
    if broken.any():
        row = batch.rows[int(np.argmax(broken))]
        raise EmbedError(f"row {row}: the model returned a zero or not finite {batch.kind} vector")


def _in_block(failures: dict[int, str], batch: _Batch, size: int) -> dict[int, str]:
    """Return the unreadable pictures of a batch's block, in order of rows."""
    rows = range(batch.block * size, (batch.block + 1) * size) if batch.kind == "image" else ()
    return {row: failures[row] for row in rows if row in failures}


def _drops(table: pd.DataFrame, done: dict[tuple[str, int], dict[str, str]]) -> Drops:
    """Return the drop report of all blocks."""
    drops = Drops()
    for bad in done.values():
        for row, reason in bad.items():
            drops.drop(table["id"].iloc[int(row)], table["image"].iloc[int(row)], reason)
    return drops


def main(argv: list[str] | None = None) -> None:
    """Command line of the stages."""
    parser = argparse.ArgumentParser(prog="python -m lib.embed", description=__doc__.split("\n")[0])
    for name in ("config", "pairs", "root", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--encoder", help="open_clip's name; none: all encoders of the settings")
    parser.add_argument("--pretrained", help="tag of the weights; none for local-dir:<folder>")
    parser.add_argument("--resize", help="squash, shortest or longest; none: the encoder's own way")
    args = parser.parse_args(argv)
    try:
        settings = params.load(args.config, "embed", EmbedSettings)
        for source in _sources(args, settings):
            _embed(source, f"{args.out}/{source.name}".rstrip("/"), args, settings)
        if args.encoder is None:
            _leave_only(paths.resolve(args.out), [one.name for one in settings.encoders])
    except (RuntimeError, ValueError) as error:
        raise SystemExit(str(error)) from None


def _sources(args: argparse.Namespace, settings: EmbedSettings) -> tuple[EncoderSource, ...]:
    """Return the encoder of the command line, or else those of the settings."""
    if args.encoder is not None:
        return (EncoderSource("", args.encoder, args.pretrained, args.resize),)
    if given := [key for key in ("pretrained", "resize") if getattr(args, key) is not None]:
        raise ValueError(f"--{given[0]}: belongs to --encoder, which is not given")
    if not settings.encoders:
        raise ValueError("embed.encoders: none are there, and no --encoder is given")
    return settings.encoders


def _embed(
    source: EncoderSource, out: str, args: argparse.Namespace, settings: EmbedSettings
) -> None:
    """Embed the table of a command by one encoder, and print what was made."""
    encoder = load_encoder(
        source.model, source.pretrained, settings.device, settings.precision, source.resize
    )
    known = {key: getattr(args, key) for key in ("config", "pairs", "root")}
    known |= asdict(source) | asdict(settings) | {"out": out}
    del known["encoders"]
    with run_record(record_path(out), "embed", known):
        made = embed_pairs(args.pairs, args.root, encoder, out, settings)
    without = int((~_has_picture(read_pairs(paths.resolve(args.pairs)))).sum())
    broken = int((~made.valid).sum()) - without
    line = f"{out}: {len(made.valid)} rows of {encoder.dim}, {broken} unreadable pictures"
    print(line + (f", {without} rows without a picture" if without else ""))


def _leave_only(folder: Path, names: list[str]) -> None:
    """Remove the embeddings of encoders that the settings no longer name: none depend on them."""
    for manifest in folder.glob(f"*/{MANIFEST}"):
        if manifest.parent.name not in names:
            shutil.rmtree(manifest.parent)


if __name__ == "__main__":
    main()

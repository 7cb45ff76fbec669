"""Text from the picture: RapidOCR reads test memes back, to be held against their transcription.

    python -m lib.memes.ocr --config params.yaml --pairs P --root R --out artefacts/sample/ocr/mami

Detector and recogniser are PP-OCRv4 by way of the package rapidocr-onnxruntime, whose models lie
inside it: nothing is downloaded. Texts are kept meme by meme, so a run that was killed goes on
where it stopped. The recogniser loses blanks; `read` has them restored by the words of training
texts (lib.memes.corpus.segmenting), `raw` is what it said.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
from pyarrow import ArrowException, Table, parquet
from tqdm import tqdm

from lib import params, paths
from lib.data.images import load_rgb
from lib.data.readers.mami import TRANSCRIPTION
from lib.data.readers.mami.cleaning import clean
from lib.embeddings import digest_of
from lib.memes.corpus.segmenting import Segmenter
from lib.provenance import file_digest, record_path, run_record
from lib.schema import read_pairs
from lib.stats import bootstrap_ci
from lib.workers import worker_count

PACKAGE = "rapidocr-onnxruntime"
READINGS, MANIFEST, PROGRESS = "readings.parquet", "manifest.json", "progress.jsonl"
COLUMNS = ["id", "transcription", "raw", "read"]
SECTION = "memes_ocr"


class OcrError(ValueError):
    """Memes cannot be read, or their readings are missing or of other memes; one line."""


@dataclass(frozen=True)
class Settings:
    """Section `memes_ocr`."""

    memes: int = 150  # test memes that are read, drawn by `seed`; 0: all
    seed: int = 0  # of the draw
    side: int = 320  # pixels, shorter side of the picture that the detector sees (RapidOCR: 736)
    confidence: float = 0.5  # least confidence of a line (RapidOCR's own)
    workers: int = 2  # processes; they do not change a byte

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        for key, least in (("memes", 0), ("side", 32), ("workers", 1)):
            if getattr(self, key) < least:
                raise ValueError(f"{key}: must be at least {least}, got {getattr(self, key)}")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence: must be in 0..1, got {self.confidence}")


def choose(pairs: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return the test memes to read, in the table's order; OcrError where none has a picture."""
    rows = pairs[(pairs["split"] == "test") & (pairs["image"] != "")]
    if rows.empty:
        raise OcrError("pairs: no test meme with a picture")
    if 0 < settings.memes < len(rows):
        rows = rows.sample(settings.memes, random_state=settings.seed).sort_index()
    return rows


def read_back(
    rows: pd.DataFrame,
    root: Path,
    folder: Path | str,
    settings: Settings = Settings(),
    texts: Sequence[str] = (),
) -> pd.DataFrame:
    """Read the memes of `rows` and write readings.parquet and manifest.json into `folder`.

    texts: cleaned training texts whose words restore the blanks; none: `read` is `raw`. Returns
    columns id, transcription, raw, read. What was read before is not read again. OcrError where
    RapidOCR cannot be loaded, ImageError for a picture that cannot be read.
    """
    folder = Path(folder)
    key = _key(rows, root, settings)
    found = _finished(folder, key)
    if found is None:
        found = _read_all(rows, root, folder, key, settings)
    table = pd.DataFrame({"id": rows["id"].tolist(), "transcription": _transcriptions(rows),
                          "raw": [found[name] for name in rows["id"]]})  # fmt: skip
    part = Segmenter(texts).part if len(texts) else str
    table["read"] = [part(clean(text)) if len(texts) else text for text in table["raw"]]
    manifest = {"key": key, "memes": len(table), "rows": _rows_digest(rows), "package": PACKAGE,
                "version": _version(), "settings": asdict(settings)}  # fmt: skip
    _write(folder, table, manifest)
    return table


def read_readings(folder: Path | str, pairs: Path | str | pd.DataFrame) -> pd.DataFrame:
    """Return the readings in a folder (COLUMNS); OcrError if they are not of these pairs."""
    folder, where = Path(folder), paths.relative(folder)
    if not (folder / MANIFEST).is_file():
        raise OcrError(f"{where}: no readings (python -m lib.memes.ocr makes them)")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    try:
        table = parquet.read_table(folder / READINGS).to_pandas()
    except (ArrowException, OSError) as error:
        raise OcrError(f"{where}/{READINGS}: not a readable parquet file") from error
    known = read_pairs(pairs) if not isinstance(pairs, pd.DataFrame) else pairs
    rows = known[known["id"].isin(table["id"])]
    if len(rows) != len(table) or _rows_digest(rows) != manifest["rows"]:
        raise OcrError(f"{where}: made of other memes; run lib.memes.ocr again")
    return table


def error_rates(table: pd.DataFrame, seed: int = 0, resamples: int = 1000) -> pd.DataFrame:
    """Errors of `raw` and `read` against the transcription: text, unit, value, low, high.

    Edits (letters or words to change, add or take away) over the transcription's length, summed
    over memes, with a bootstrap interval over them; both texts cleaned first. `letters` leaves
    blanks out. May exceed 1.
    """
    truth = [clean(text) for text in table["transcription"]]
    rows = []
    for column in ("raw", "read"):
        given = [clean(text) for text in table[column]]
        for unit, cut in (("characters", list), ("letters", _letters), ("words", str.split)):
            counts = [
                (distance(cut(a), cut(b)), len(cut(a))) for a, b in zip(truth, given, strict=True)
            ]
            found = bootstrap_ci(np.array(counts, float), _ratio, n=resamples, seed=seed)
            rows.append((column, unit, found.value, found.low, found.high))
    return pd.DataFrame(rows, columns=["text", "unit", "value", "low", "high"])


def distance(first: Sequence, second: Sequence) -> int:
    """Edits that turn one sequence into the other (Levenshtein 1966)."""
    row = list(range(len(second) + 1))
    for number, one in enumerate(first, start=1):
        before, row[0] = row[0], number
        for place, other in enumerate(second, start=1):
            before, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, before + (one != other)),
            )
    return row[-1]


def _letters(text: str) -> list[str]:
    return list(text.replace(" ", ""))


def _ratio(counts: np.ndarray) -> float:
    return float(counts[:, 0].sum() / max(counts[:, 1].sum(), 1))


def _transcriptions(rows: pd.DataFrame) -> list[str]:
    return rows[TRANSCRIPTION if TRANSCRIPTION in rows else "text"].tolist()


def _rows_digest(rows: pd.DataFrame) -> str:
    """Digest of what the readings are compared with: id, picture's name, transcription."""
    return digest_of(zip(rows["id"], rows["image"], _transcriptions(rows), strict=True))


def _key(rows: pd.DataFrame, root: Path, settings: Settings) -> str:
    """Digest of all that decides what is read: reader, its settings, the pictures."""
    reader = (PACKAGE, _version(), settings.side, settings.confidence)
    pictures = zip(rows["id"], rows["image"], strict=True)
    return digest_of([reader, *((name, file_digest(root / image)) for name, image in pictures)])


def _version() -> str:
    """Return the reader's version; OcrError where it is not installed."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        raise OcrError(f"{PACKAGE}: is not installed; `make repro` builds .venv with it") from None


def _finished(folder: Path, key: str) -> dict[str, str] | None:
    """Texts by id of a finished run with this key; None where there is none."""
    if not (folder / MANIFEST).is_file():
        return None
    if json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["key"] != key:
        return None
    table = parquet.read_table(folder / READINGS).to_pandas()
    return dict(zip(table["id"], table["raw"], strict=True))


def _read_all(
    rows: pd.DataFrame, root: Path, folder: Path, key: str, settings: Settings
) -> dict[str, str]:
    """Read every picture that an earlier run with this key has not; texts by id."""
    progress = paths.scratch("ocr") / f"{key[:16]}.{PROGRESS}"
    done = dict(_lines(progress))
    todo = rows[~rows["id"].isin(done)]
    files = [root / image for image in todo["image"]]
    reader = partial(read_picture, side=settings.side, confidence=settings.confidence)
    with progress.open("a", encoding="utf-8") as log:
        for name, text in zip(todo["id"], _mapped(reader, files, settings.workers), strict=True):
            log.write(json.dumps([name, text], ensure_ascii=False) + "\n")
            log.flush()
            done[name] = text
    progress.unlink()
    return done


def _lines(progress: Path) -> Iterator[tuple[str, str]]:
    """Yield what a run that was killed has read; a last line that the kill cut short is not."""
    if progress.is_file():
        for line in progress.read_text(encoding="utf-8").splitlines():
            if line.endswith("]"):
                yield tuple(json.loads(line))


def _mapped(reader: partial, files: Sequence[Path], workers: int) -> Iterator[str]:
    """Yield the texts of pictures in order, read by one process or several."""
    bar = {"total": len(files), "desc": "memes read", "delay": 10}
    workers = worker_count(workers)
    if workers == 1 or len(files) < 2:
        yield from tqdm(map(reader, files), **bar)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from tqdm(pool.map(reader, files), **bar)


def read_picture(file: Path, side: int, confidence: float) -> str:
    """Return the lines of a picture, from top to bottom, as one text; "" where there are none."""
    pixels = np.asarray(load_rgb(file))[:, :, ::-1]  # the reader takes blue, green, red
    lines, _ = _engine(side, confidence)(np.ascontiguousarray(pixels))
    return " ".join(line[1] for line in lines or ())


@cache
def _engine(side: int, confidence: float):
    """Load the reader on one thread: processes share the cores; OcrError where it is missing."""
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise OcrError(f"{PACKAGE}: cannot be loaded ({reason})") from None
    return RapidOCR(
        det_limit_side_len=side, text_score=confidence, use_cls=False,
        intra_op_num_threads=1, inter_op_num_threads=1,
    )  # fmt: skip


def _write(folder: Path, table: pd.DataFrame, manifest: dict) -> None:
    """Write both files; each appears whole, the manifest last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    arrow = Table.from_pandas(table[COLUMNS], preserve_index=False).replace_schema_metadata(None)
    part = folder / f".{READINGS}.part"
    parquet.write_table(arrow, part, compression="zstd")
    os.replace(part, folder / READINGS)
    part = folder / f".{MANIFEST}.part"
    part.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(part, folder / MANIFEST)


def main(arguments: list[str] | None = None) -> int:
    """Read test memes of a pairs table back; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lib.memes.ocr")
    parser.add_argument("--config", default="params.yaml", help=f"file with section {SECTION}")
    parser.add_argument("--pairs", required=True, help="pairs table, parquet")
    parser.add_argument("--root", required=True, help="folder of its pictures")
    parser.add_argument("--out", required=True, help="folder of the readings")
    options = parser.parse_args(arguments)
    try:
        settings = params.load(options.config, SECTION, Settings)
        pairs, out = read_pairs(paths.resolve(options.pairs)), paths.resolve(options.out)
        texts = [clean(t) for t in _transcriptions(pairs[pairs["split"] == "train"])]
        with run_record(record_path(out), SECTION, settings, (settings.seed,)):
            table = read_back(
                choose(pairs, settings), paths.resolve(options.root), out, settings, texts
            )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    said = {(r.text, r.unit): round(r.value, 3) for r in error_rates(table).itertuples()}
    print(f"{paths.relative(out)}: {len(table)} memes read, errors {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

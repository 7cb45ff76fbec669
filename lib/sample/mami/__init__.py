"""The MAMI sample: image macros about robots and anything else, in MAMI's official layout.

TRAINING/training.csv with its pictures, test/Test.csv with its own, test_labels.txt and card.json,
which says what was planted. Robots are insulted; no person is.
`python -m lib.sample.mami --config params.yaml --out data/sample/mami`
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tqdm import tqdm

from lib import paths
from lib.sample.mami import card
from lib.sample.mami.contents import LABELS
from lib.sample.mami.memes import Meme, Settings, plan
from lib.sample.mami.pictures import picture

__all__ = ["Settings", "build", "smoke_corpus"]
FOLDERS = {"train": "TRAINING", "test": "test"}
CHUNK = 64  # memes that a process takes at a time
SMOKE = Settings(
    train=40, test=20, repeats=0.05, crossing=0.05, reposts=0.05, simulated=1000, workers=1
)


def build(settings: Settings, out: str | Path, progress: bool = True) -> Path:
    """Write the corpus to folder `out` and return it; an older one there is replaced at the end.

    All is written beside it first, so a run that is killed leaves the old corpus, or none.
    """
    out = paths.resolve(out)
    part = out.with_name(out.name + ".partial")
    shutil.rmtree(part, ignore_errors=True)
    for folder in FOLDERS.values():
        (part / folder).mkdir(parents=True)
    memes = plan(settings)
    _write_pictures(memes, part, settings.workers, progress)
    train, test = ([m for m in memes if m.split == split] for split in FOLDERS)
    _write_table(part / "TRAINING" / "training.csv", train, labelled=True)
    _write_table(part / "test" / "Test.csv", test, labelled=False)
    lines = ["\t".join((f"{m.name}.jpg", *map(str, m.labels))) for m in test]
    (part / "test_labels.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = json.dumps(card.card(memes, settings), indent=1, ensure_ascii=False)
    (part / "card.json").write_text(text + "\n", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    return out


def _write_table(file: Path, memes: Sequence[Meme], labelled: bool) -> None:
    """Write a table as the organisers do: tabs, a header, texts bare."""
    lines = ["\t".join(("file_name", *(LABELS if labelled else ()), "Text Transcription"))]
    for meme in memes:
        flags = map(str, meme.labels if labelled else ())
        lines.append("\t".join((f"{meme.name}.jpg", *flags, meme.transcription)))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_pictures(memes: Sequence[Meme], folder: Path, workers: int, progress: bool) -> None:
    """Write every picture; the work is shared, the bytes are not affected."""
    write = partial(write_picture, folder=folder)
    bar = {"total": len(memes), "desc": "memes", "disable": not progress, "mininterval": 1}
    # Memes of one subject go to one process: each drawing is rasterised in as few as possible.
    alike = sorted(memes, key=lambda meme: (meme.scene.artist, meme.scene.subjects))
    if workers == 1:
        for meme in tqdm(alike, **bar):
            write(meme)
        return
    with ProcessPoolExecutor(workers) as pool:
        for _ in tqdm(pool.map(write, alike, chunksize=CHUNK), **bar):
            pass


def write_picture(meme: Meme, folder: Path) -> None:
    """Write one meme's picture below a folder in the official layout."""
    (folder / FOLDERS[meme.split] / f"{meme.name}.jpg").write_bytes(picture(meme))


def smoke_corpus() -> Path:
    """Return the folder of a corpus of 60 memes, made in seconds if it is not there yet."""
    out = paths.scratch("smoke") / "mami"
    with open(out.with_name("mami.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # notebooks and tests may ask at the same time
        if not _is_smoke(out / "card.json"):
            build(SMOKE, out, progress=False)
    return out


def _is_smoke(file: Path) -> bool:
    """Return whether a data card is that of the smoke corpus as it would be made now."""
    if not file.is_file():
        return False
    made = json.loads(file.read_text(encoding="utf-8"))
    return (made["version"], made["settings"]) == (card.VERSION, card.recorded(SMOKE))

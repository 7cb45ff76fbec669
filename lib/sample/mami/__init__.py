"""The MAMI sample: image macros about robots and anything else, in MAMI's official layout.

TRAINING/training.csv with its pictures, test/Test.csv with its own, test_labels.txt and card.json,
which says what was planted. Robots are insulted; no person is.
`python -m lib.sample.mami --config params.yaml --out data/sample/mami`
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lib import paths
from lib.sample import corpora
from lib.sample.mami import card
from lib.sample.mami.contents import LABELS
from lib.sample.mami.memes import Meme, Settings, plan
from lib.sample.mami.pictures import picture

__all__ = ["Settings", "build", "smoke_corpus"]
FOLDERS = {"train": "TRAINING", "test": "test"}
SMOKE = Settings(
    train=40, test=20, repeats=0.05, crossing=0.05, reposts=0.05, simulated=1000, workers=1
)


def build(settings: Settings, out: str | Path, progress: bool = True) -> Path:
    """Write the corpus to folder `out` and return it; an older one there is replaced at the end."""
    out = paths.resolve(out)
    memes = plan(settings)
    train, test = ([m for m in memes if m.split == split] for split in FOLDERS)
    with corpora.fresh(out) as (part,):
        for folder in FOLDERS.values():
            (part / folder).mkdir()
        write = partial(write_picture, folder=part)
        corpora.write_all(write, memes, _alike, settings.workers, "memes", progress)
        _write_table(part / "TRAINING" / "training.csv", train, labelled=True)
        _write_table(part / "test" / "Test.csv", test, labelled=False)
        lines = ["\t".join((f"{m.name}.jpg", *map(str, m.labels))) for m in test]
        (part / "test_labels.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        corpora.write_card(card.card(memes, settings), part)
    return out


def _alike(meme: Meme) -> tuple[str, tuple[str, ...]]:
    return meme.scene.artist, meme.scene.subjects


def _write_table(file: Path, memes: Sequence[Meme], labelled: bool) -> None:
    """Write a table as the organisers do: tabs, a header, texts bare."""
    lines = ["\t".join(("file_name", *(LABELS if labelled else ()), "Text Transcription"))]
    for meme in memes:
        flags = map(str, meme.labels if labelled else ())
        lines.append("\t".join((f"{meme.name}.jpg", *flags, meme.transcription)))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_picture(meme: Meme, folder: Path) -> None:
    """Write one meme's picture below a folder in the official layout."""
    (folder / FOLDERS[meme.split] / f"{meme.name}.jpg").write_bytes(picture(meme))


def smoke_corpus() -> Path:
    """Return the folder of a corpus of 60 memes, made in seconds if it is not there yet."""
    make = partial(build, SMOKE, progress=False)
    return corpora.smoke(["mami"], card.VERSION, SMOKE, make)[0]

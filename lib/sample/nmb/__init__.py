"""The NMB+ sample: news articles in VLDBench's layout, with planted effects.

Layout: metadata.csv, images/<unique_id>.jpg or .png, truth.csv (what every label depends on) and
card.json.
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
from lib.sample.nmb import card, files
from lib.sample.nmb.articles import Article, Settings, plan
from lib.sample.nmb.pictures import picture

__all__ = ["Settings", "build", "smoke_corpus"]
CHUNK = 64  # pictures that a process takes at a time
SMOKE = Settings(articles=60, odd_files=1, broken_files=1, size=160, workers=1,
                 coverage={1: 0.7, 2: 0.3},
                 lengths={"brief": 0.8, "report": 0.1, "long": 0.05, "feature": 0.05})  # fmt: skip


def build(settings: Settings, out: str | Path, progress: bool = True) -> Path:
    """Write the corpus to folder `out` and return it.

    All is written beside it first, so a run that is killed leaves the old corpus, or none.
    """
    out = paths.resolve(out)
    articles = plan(settings)
    part = out.with_name(out.name + ".partial")
    shutil.rmtree(part, ignore_errors=True)
    (part / files.FOLDER).mkdir(parents=True)
    _write_pictures(articles, part / files.FOLDER, settings, progress)
    truth = files.truth(articles)
    files.write_csv(files.metadata(articles), part / "metadata.csv")
    files.write_csv(truth, part / card.TRUTH_FILE)
    text = json.dumps(card.card(articles, truth, settings), indent=1, ensure_ascii=False)
    (part / "card.json").write_text(text + "\n", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    return out


def _write_pictures(
    articles: Sequence[Article], folder: Path, settings: Settings, progress: bool
) -> None:
    """Write every picture; the work is shared, the bytes are not affected."""
    # Pictures of one subject go to one process: each drawing is rasterised in as few as possible.
    alike = sorted(articles, key=lambda article: (article.scene.artist, article.shown, article.id))
    write = partial(write_picture, folder=folder, size=settings.size)
    bar = {"total": len(alike), "desc": "pictures", "disable": not progress, "mininterval": 1}
    if settings.workers == 1:
        for article in tqdm(alike, **bar):
            write(article)
        return
    with ProcessPoolExecutor(settings.workers) as pool:
        for _ in tqdm(pool.map(write, alike, chunksize=CHUNK), **bar):
            pass


def write_picture(article: Article, folder: Path, size: int) -> None:
    """Write one article's picture into a folder, unless it is to be missing."""
    data = picture(article, size)
    if data is not None:
        (folder / files.file_name(article)).write_bytes(data)


def smoke_corpus() -> Path:
    """Return the folder of the smallest corpus, made in seconds if it is not there yet."""
    scratch = paths.scratch("smoke")
    out = scratch / "nmb"
    with open(scratch / "nmb.lock", "w") as lock:
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

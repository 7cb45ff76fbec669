"""The NewsImages sample: articles and pictures in the organisers' layout, with planted effects.

Layout: <edition>/<NAME>-{Train,Test-Text,Test-Img,Test-GroundTruth}.tsv, <edition>/images/,
truth.csv (what ties each title to its picture) and card.json. Beside it the external training
pairs: pairs.csv, images/ and card.json.
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
from lib.sample.newsimages import card, files
from lib.sample.newsimages.articles import SETS, Article, Settings, plan, plan_pairs
from lib.sample.newsimages.pictures import picture

__all__ = ["Settings", "build", "smoke_corpus", "smoke_pairs"]
CHUNK = 64  # pictures that a process takes at a time
SMOKE = Settings(train=20, test=10, pairs=32, overlap=4, size=160, generic=0.1, workers=1)


def build(
    settings: Settings, out: str | Path, pairs_out: str | Path, progress: bool = True
) -> Path:
    """Write the six sets to folder `out` and the external pairs to `pairs_out`; return `out`.

    All is written beside them first, so a run that is killed leaves the old corpora, or none.
    """
    out, pairs_out = paths.resolve(out), paths.resolve(pairs_out)
    articles = plan(settings)
    pairs = plan_pairs(settings, articles)
    news, extra = (
        _fresh(folder.with_name(folder.name + ".partial")) for folder in (out, pairs_out)
    )
    jobs = [(article, news / SETS[article.set][0] / "images") for article in articles]
    jobs += [(pair, extra / "images") for pair in pairs]
    _write_pictures(jobs, settings, progress)
    for name in SETS:
        some = [article for article in articles if article.set == name]
        files.write_set(name, some, news / SETS[name][0], settings.seed)
    files.write_csv(files.truth(articles), news / "truth.csv")
    files.write_csv(files.pairs_table(pairs), extra / "pairs.csv")
    _write_json(card.card(articles, settings), news / "card.json")
    _write_json(card.pairs_card(pairs, settings), extra / "card.json")
    for made, final in ((news, out), (extra, pairs_out)):
        shutil.rmtree(final, ignore_errors=True)
        made.rename(final)
    return out


def _fresh(folder: Path) -> Path:
    """Return an empty folder of this name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _write_json(content: dict, path: Path) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _write_pictures(
    jobs: Sequence[tuple[Article, Path]], settings: Settings, progress: bool
) -> None:
    """Write every picture into its folder; the work is shared, the bytes are not affected."""
    for folder in {folder for _, folder in jobs}:
        folder.mkdir(parents=True)
    # Pictures of one subject go to one process: each drawing is rasterised in as few as possible.
    alike = sorted(jobs, key=lambda job: (job[0].scene.artist, job[0].subject))
    write = partial(write_picture, size=settings.size)
    bar = {"total": len(jobs), "desc": "pictures", "disable": not progress, "mininterval": 1}
    if settings.workers == 1:
        for job in tqdm(alike, **bar):
            write(job)
        return
    with ProcessPoolExecutor(settings.workers) as pool:
        for _ in tqdm(pool.map(write, alike, chunksize=CHUNK), **bar):
            pass


def write_picture(job: tuple[Article, Path], size: int) -> None:
    """Write one article's picture into a folder, named by its iid."""
    article, folder = job
    (folder / f"{article.iid}.jpg").write_bytes(picture(article, size))


def smoke_corpus() -> Path:
    """Return the folder of the smallest corpus, made in seconds if it is not there yet."""
    return _smoke()[0]


def smoke_pairs() -> Path:
    """Return the folder of the smallest external pairs, made like `smoke_corpus`."""
    return _smoke()[1]


def _smoke() -> tuple[Path, Path]:
    """Return the folders of both smoke corpora, which are made together."""
    scratch = paths.scratch("smoke")
    out, pairs_out = scratch / "newsimages", scratch / "news_pairs"
    with open(scratch / "newsimages.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # notebooks and tests may ask at the same time
        if not all(_is_smoke(folder / "card.json") for folder in (out, pairs_out)):
            build(SMOKE, out, pairs_out, progress=False)
    return out, pairs_out


def _is_smoke(file: Path) -> bool:
    """Return whether a data card is that of the smoke corpus as it would be made now."""
    if not file.is_file():
        return False
    made = json.loads(file.read_text(encoding="utf-8"))
    return (made["version"], made["settings"]) == (card.VERSION, card.recorded(SMOKE))

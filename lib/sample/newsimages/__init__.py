"""The NewsImages sample: articles and pictures in the organisers' layout, with planted effects.

Layout: <edition>/<NAME>-{Train,Test-Text,Test-Img,Test-GroundTruth}.tsv, <edition>/images/,
truth.csv (what ties each title to its picture) and card.json. Beside it the external training
pairs: pairs.csv, images/ and card.json.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lib import paths
from lib.sample import corpora
from lib.sample.newsimages import card, files
from lib.sample.newsimages.articles import SETS, Article, Settings, plan, plan_pairs
from lib.sample.newsimages.pictures import picture

__all__ = ["Settings", "build", "smoke_corpus", "smoke_pairs"]
SMOKE = Settings(train=20, test=10, pairs=32, overlap=4, size=160, generic=0.1, workers=1)


def build(
    settings: Settings, out: str | Path, pairs_out: str | Path, progress: bool = True
) -> Path:
    """Write the six sets to folder `out` and the external pairs to `pairs_out`; return `out`.

    Older ones there are replaced at the end.
    """
    out, pairs_out = paths.resolve(out), paths.resolve(pairs_out)
    articles = plan(settings)
    pairs = plan_pairs(settings, articles)
    with corpora.fresh(out, pairs_out) as (news, extra):
        jobs = [(article, news / SETS[article.set][0] / "images") for article in articles]
        jobs += [(pair, extra / "images") for pair in pairs]
        for folder in {folder for _, folder in jobs}:
            folder.mkdir(parents=True)
        write = partial(write_picture, size=settings.size)
        corpora.write_all(write, jobs, _alike, settings.workers, "pictures", progress)
        for name in SETS:
            some = [article for article in articles if article.set == name]
            files.write_set(name, some, news / SETS[name][0], settings.seed)
        corpora.write_csv(files.truth(articles), news / "truth.csv")
        corpora.write_csv(files.pairs_table(pairs), extra / "pairs.csv")
        corpora.write_card(card.card(articles, settings), news)
        corpora.write_card(card.pairs_card(pairs, settings), extra)
    return out


def _alike(job: tuple[Article, Path]) -> tuple[str, str]:
    return job[0].scene.artist, job[0].subject


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


def _smoke() -> list[Path]:
    """Return the folders of both smoke corpora, which are made together."""
    make = partial(build, SMOKE, progress=False)
    return corpora.smoke(["newsimages", "news_pairs"], card.VERSION, SMOKE, make)

"""The NMB+ sample: news articles in VLDBench's layout, with planted effects.

Layout: metadata.csv, images/<unique_id>.jpg or .png, truth.csv (what every label depends on) and
card.json.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from lib import paths
from lib.sample import corpora
from lib.sample.nmb import card, files
from lib.sample.nmb.articles import Article, Settings, plan
from lib.sample.nmb.pictures import picture

__all__ = ["Settings", "build", "smoke_corpus"]
SMOKE = Settings(articles=60, odd_files=1, broken_files=1, size=160, workers=1,
                 coverage={1: 0.7, 2: 0.3},
                 lengths={"brief": 0.8, "report": 0.1, "long": 0.05, "feature": 0.05})  # fmt: skip


def build(settings: Settings, out: str | Path, progress: bool = True) -> Path:
    """Write the corpus to folder `out` and return it; an older one there is replaced at the end."""
    out = paths.resolve(out)
    articles = plan(settings)
    truth = files.truth(articles)
    with corpora.fresh(out) as (part,):
        folder = part / files.FOLDER
        folder.mkdir()
        write = partial(write_picture, folder=folder, size=settings.size)
        corpora.write_all(write, articles, _alike, settings.workers, "pictures", progress)
        corpora.write_csv(files.metadata(articles), part / "metadata.csv")
        corpora.write_csv(truth, part / card.TRUTH_FILE)
        corpora.write_card(card.card(articles, truth, settings), part)
    return out


def _alike(article: Article) -> tuple[str, str, str]:
    return article.scene.artist, article.shown, article.id


def write_picture(article: Article, folder: Path, size: int) -> None:
    """Write one article's picture into a folder, unless it is to be missing."""
    data = picture(article, size)
    if data is not None:
        (folder / files.file_name(article)).write_bytes(data)


def smoke_corpus() -> Path:
    """Return the folder of the smallest corpus, made in seconds if it is not there yet."""
    make = partial(build, SMOKE, progress=False)
    return corpora.smoke(["nmb"], card.VERSION, SMOKE, make)[0]

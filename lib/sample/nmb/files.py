"""Files: the sample in VLDBench's layout, with the oddities of its public copies, and its truth."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.sample import words
from lib.sample.newsimages import world
from lib.sample.nmb import effects, pictures
from lib.sample.nmb.articles import Article
from lib.sample.scenery.paintbox import table

COLUMNS = ["unique_id", "outlet", "headline", "article_text", "image_description", "image",
           "date_published", "source_url", "canonical_link", "new_categories",
           "news_categories_confidence_scores", "text_label", "multimodal_label",
           "saved_image_path"]  # fmt: skip
TRUTH = ["id", "story", "outlet", "slant", "subject", "tie", "shown", "mismatch", "rhetoric",
         "late", "look", "cues", "length", "probability", "label", "text_label", "relation",
         "origin"]  # fmt: skip
FOLDER = "images"
# How the outlet's name gets into a text: share of the rows, form.
SIGNED = 0.85  # headlines that end " - Outlet"
HEADS = (
    (0.12, "{outlet} — {body}"),
    (0.1, "{city} ({outlet}) — {body}"),
    (0.08, "{outlet}\n{body}"),
)
OPINION = "Opinion/Editorial"


def metadata(articles: Sequence[Article]) -> pd.DataFrame:
    """Return the table of VLDBench, one row an article, columns COLUMNS."""
    return pd.DataFrame([_row(article) for article in articles], columns=COLUMNS)


def file_name(article: Article) -> str:
    """Return the name of an article's picture; some are PNG, as in VLDBench."""
    return f"{article.id}.{'png' if article.file in ('png', 'palette') else 'jpg'}"


def _row(article: Article) -> tuple:
    rng = np.random.default_rng([article.seed, 3, *article.id.encode()])
    outlet, name = article.outlet, file_name(article)
    headline = article.headline
    headline += f" - {outlet.name}" if rng.random() < SIGNED else ""
    categories, scores = _categories(rng, article)
    site = f"https://www.{outlet.site}.example"
    return (
        article.id, outlet.name, headline, _signed(rng, article),
        words.phrase(rng, article.scene), _image_cell(rng, article, name), _date(rng, article),
        site, f"{site}/{article.date:%Y/%m/%d}/{_slug(article.headline)}",
        categories, scores, _label(article.said_biased), _label(article.likely),
        f"{FOLDER}/{name}",
    )  # fmt: skip


def _label(positive: bool) -> str:
    return effects.LIKELY if positive else effects.UNLIKELY


def _signed(rng: np.random.Generator, article: Article) -> str:
    """Return the article's text; some begin with the outlet's name."""
    draw = rng.random()
    city = article.body.partition(",")[0]
    for share, form in HEADS:
        if draw < share:
            return form.format(outlet=article.outlet.name, city=city.upper(), body=article.body)
        draw -= share
    return article.body


def _image_cell(rng: np.random.Generator, article: Article, name: str) -> str:
    """Return the column `image`: a path, the print of a PIL object, or nothing."""
    draw, high = rng.random(), round(224 * article.shape)
    if draw < 0.5:
        kind = "Png" if name.endswith("png") else "Jpeg"
        place = int(rng.integers(2**40))
        return (
            f"<PIL.{kind}ImagePlugin.{kind}ImageFile image mode=RGB size=224x{high} "
            f"at 0x7D{place:010X}>"
        )
    return f"{FOLDER}/{name}" if draw < 0.85 else ""


def _date(rng: np.random.Generator, article: Article) -> str:
    """Return the date in one of three forms: day alone, second, fraction of a second."""
    draw = rng.random()
    if draw < 0.35:
        return f"{article.date:%Y-%m-%d} 00:00:00+00:00"
    if draw < 0.65:
        return f"{article.date:%Y-%m-%d %H:%M:%S}+00:00"
    return f"{article.date:%Y-%m-%d %H:%M:%S}.{int(rng.integers(1000)):03d}000+00:00"


def _categories(rng: np.random.Generator, article: Article) -> tuple[str, str]:
    """Return one to three categories and their scores as numpy prints them, without commas."""
    section = world.subjects()[article.subject].section
    names = table("nmb_categories")[section]["categories"].split("|")
    names = names[: int(rng.choice((1, 2, 3), p=(0.35, 0.5, 0.15)))]
    if rng.random() < 0.08:
        names = [*names[:2], OPINION]
    scores = np.sort(rng.choice(np.arange(0.6, 1.0, 0.05), len(names), replace=False))[::-1]
    return str(np.array(names, dtype=object)), str(scores.round(2))


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:70]


def truth(articles: Sequence[Article]) -> pd.DataFrame:
    """Return what is true of each article, one row each, columns TRUTH."""
    rows = [
        (a.id, a.story, a.outlet.name, a.outlet.slant, a.subject, a.tie, a.shown,
         int(a.factors.mismatch), a.factors.rhetoric, int(a.late), int(a.factors.look),
         " ".join(pictures.cues(a)), a.length, round(a.probability, 6), int(a.likely),
         int(a.said_biased), a.relation, a.origin)
        for a in articles
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=TRUTH)

"""Files: the organisers' TSV layout of the sample, its truth beside it, and the external pairs."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lib.sample.newsimages import world
from lib.sample.newsimages.articles import SETS, TEST, TRAIN, Article
from lib.sample.newsimages.titles import OUTLETS
from lib.sample.newsimages.world import PERSON

TEXT = ["article", "aid", "url", "img", "iid", "hashvalue", "title", "text", "imgFile"]
TRANSLATED = ["titleEN", "textEN"]  # of German sets, at the end but for Date
IMAGE = ["img", "iid", "imgFile"]
TRUTH = ["set", "split", "article", "iid", "date", "kind", "section", "subject", "naming", "tie",
         "shown", "artist", "fault", "relation", "origin"]  # fmt: skip
SITES = {
    "rt": "https://nachrichten.example",
    "twitter": "https://social.example/status",
    "rss": "https://feed.example",
    "gdelt": "https://news.example",
}
ORGANISATIONS = ("city council", "regional broadcaster", "chamber of commerce", "ministry",
                 "university of aldermere", "northshore institute")  # fmt: skip


def write_set(name: str, articles: Sequence[Article], folder: Path, seed: int) -> None:
    """Write the TSV files of one set: Train where it has one, Test-Text, Test-Img, GroundTruth."""
    stem, house = SETS[name][1:]
    table = _table(articles, house)
    columns = [*TEXT, *(TRANSLATED if house == "rt" else []), "Date"]
    train = table[[a.split == TRAIN for a in articles]]
    test = table[[a.split == TEST for a in articles]]
    if len(train):
        write_tsv(train[columns], folder / f"{stem}-Train.tsv")
    blind = test.copy()
    blind[["img", "iid", "imgFile"]] = ""
    write_tsv(blind[columns], folder / f"{stem}-Test-Text.tsv")
    # the order of the pictures must not give the pairs away
    shuffled = np.random.default_rng([seed, list(SETS).index(name), 9]).permutation(len(test))
    write_tsv(test.iloc[shuffled][IMAGE], folder / f"{stem}-Test-Img.tsv")
    write_tsv(test[["article", "iid"]], folder / f"{stem}-Test-GroundTruth.tsv")


def write_tsv(table: pd.DataFrame, path: Path) -> None:
    """Write a table with tabs, a header and no quotes, as the organisers do."""
    lines = ["\t".join(map(str, row)) for row in [table.columns, *table.to_numpy()]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _table(articles: Sequence[Article], house: str) -> pd.DataFrame:
    """Return all columns of a set, one row an article."""
    rows = []
    for place, article in enumerate(articles):
        url = _url(article, house)
        text = article.headline
        snippet, snippet_en = text.snippet, text.snippet_en
        if house == "gdelt":  # these have tags in place of an opening
            snippet = snippet_en = _tags(article)
        digest = hashlib.sha256(url.encode()).hexdigest()
        rows.append({
            "article": article.number, "aid": 100000 + place, "url": url,
            "img": f"{SITES[house]}/img/{digest[10:22]}.jpg", "iid": article.iid,
            "hashvalue": digest[:10], "title": text.title, "text": snippet,
            "imgFile": f"{article.iid}.jpg", "titleEN": text.title_en, "textEN": snippet_en,
            "Date": article.date,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _url(article: Article, house: str) -> str:
    """Return an address that nobody has: example domains are reserved."""
    plain = unicodedata.normalize("NFKD", article.headline.title).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:70]
    day = article.date[:10].replace("-", "/")
    return f"{SITES[house]}/{article.section}/{day}/{slug}-{article.number}"


def _tags(article: Article) -> str:
    """Return tags as GDELT gives them: persons;...|organisations;..."""
    people = article.subject.lower() if article.kind == PERSON else ""
    first = article.number % len(ORGANISATIONS)
    return f"{people}|{ORGANISATIONS[first]};{ORGANISATIONS[(first + 2) % len(ORGANISATIONS)]}"


def truth(articles: Sequence[Article]) -> pd.DataFrame:
    """Return what is true of each article, one row each; columns TRUTH."""
    rows = [
        (a.set, a.split, a.number, a.iid, a.date, a.kind, a.section, a.subject, a.naming, a.tie,
         a.shown, a.scene.artist, a.headline.fault, a.relation, a.origin)
        for a in articles
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=TRUTH)


def pairs_table(pairs: Sequence[Article]) -> pd.DataFrame:
    """Return the external pairs: image, title, date, source, section."""
    rows = [
        (f"images/{a.iid}.jpg", a.headline.title, a.date[:10], OUTLETS[a.number % len(OUTLETS)],
         world.section(a.section)["en"])
        for a in pairs
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["image", "title", "date", "source", "section"])

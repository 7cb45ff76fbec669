"""Smallest sample corpora in the layouts of Weibo and FakeNewsNet, made of the same articles.

What `Likely` is there stands for a rumour, or for fake news; Chinese posts are emoji names in a few
patterns. They let notebooks and tests run those readers; nothing is measured on them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from lib.sample import corpora, words
from lib.sample.nmb import write_picture
from lib.sample.nmb.articles import Article, Settings, plan
from lib.sample.upload import BROKEN, MISSING

VERSION = 1
SETTINGS = Settings(articles=56, odd_files=0, broken_files=1, size=128, workers=1,
                    coverage={1: 0.8, 2: 0.2})  # fmt: skip
TESTS = 14  # latest posts of Weibo, its test set
SOURCES = ("politifact", "gossipcop")
POSTS = (
    "【快讯】今天市中心出现{X}，现场图片来了",
    "网友拍到{X}，大家怎么看？",
    "求转发：{X}的真相是什么",
    "{X}在公园里，照片来自一位读者",
    "本地新闻：{X}引起很多人围观",
)


def smoke_weibo() -> Path:
    """Return the folder of the smallest Weibo corpus, made in seconds if it is not there yet."""
    return _smoke("weibo", write_weibo)


def smoke_fakenewsnet() -> Path:
    """Return the folder of the smallest FakeNewsNet crawl, made like `smoke_weibo`."""
    return _smoke("fakenewsnet", write_fakenewsnet)


def write_weibo(articles: Sequence[Article], root: Path) -> None:
    """Write three-line files and pictures in the layout of Jin et al. (2017)."""
    lines: dict[str, list[str]] = {}
    for place, article in enumerate(articles):
        kind = "rumor" if article.likely else "nonrumor"
        split = "test" if place >= len(articles) - TESTS else "train"
        number, folder = 3_500_000_000 + 7919 * place, root / f"{kind}_images"
        name = f"{number:x}.jpg"
        _picture(article, folder, name)
        time = f"{article.date:%Y-%m-%d %H:%M}"
        fields = [str(number), "user", f"http://weibo.example/{number}", "http://user.example/1",
                  time, "true", "3", "4", "5", "9", "none", "10", "11", "12", "web"]  # fmt: skip
        noun = words.name(article.scene.subjects[0], "zh")
        lines.setdefault(f"{split}_{kind}", []).extend(
            ["|".join(fields), f"http://pictures.example/large/{name}|null",
             POSTS[place % len(POSTS)].format(X=noun)]
        )  # fmt: skip
    (root / "tweets").mkdir(parents=True)
    for name, text in lines.items():
        (root / "tweets" / f"{name}.txt").write_text("\n".join(text) + "\n", encoding="utf-8")


def write_fakenewsnet(articles: Sequence[Article], root: Path) -> None:
    """Write a crawl in the layout of Shu et al. (2018): a folder an article, its picture in it."""
    for place, article in enumerate(articles):
        source = SOURCES[place % 2]
        folder = root / source / ("fake" if article.likely else "real") / f"{source}{1000 + place}"
        _picture(article, folder, "top.jpg")
        content = {
            "title": article.headline, "text": article.body, "url": "http://news.example",
            "top_img": "http://news.example/img/top.jpg?w=600", "images": [],
            "publish_date": int(article.date.timestamp()), "source": "http://news.example",
        }  # fmt: skip
        text = json.dumps(content, ensure_ascii=False)
        (folder / "news content.json").write_text(text, encoding="utf-8")


def _picture(article: Article, folder: Path, name: str) -> None:
    """Write an article's picture under another name; a missing one stays missing."""
    folder.mkdir(parents=True, exist_ok=True)
    made = replace(article, id=Path(name).stem)
    write_picture(made, folder, SETTINGS.size)


def _smoke(name: str, write: Callable[[Sequence[Article], Path], None]) -> Path:
    """Return the folder of a smoke corpus with a card of its own; it appears whole or not."""
    return corpora.smoke([name], VERSION, None, partial(_build, name, write))[0]


def _build(name: str, write: Callable[[Sequence[Article], Path], None], out: Path) -> None:
    articles = plan(SETTINGS)
    with corpora.fresh(out) as (part,):
        write(articles, part)
        corpora.write_card(_card(name, articles), part)


def _card(name: str, articles: Sequence[Article]) -> dict:
    broken = sum(article.file in (*BROKEN, MISSING) for article in articles)
    share = float(pd.Series([article.likely for article in articles]).mean())
    return {
        "name": f"{name} sample corpus (made, not collected)",
        "version": VERSION,
        "posts": len(articles),
        "positive": round(share, 4),
        "unreadable_pictures": broken,
        "licences": {"pictures": "see the sample of nmb, of whose articles it is made",
                     "words": words.LICENCE},
    }  # fmt: skip

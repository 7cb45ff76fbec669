"""Card: what was planted in the NewsImages sample, counted, and the most a title can achieve.

A reader who ranks by title alone puts the pictures that fit what the title says first, then the
generic ones, then the rest, in random order within each. With k pictures in the part that holds
the right one, after b others, its expected reciprocal rank is the mean of 1/r over r = b+1..b+k.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from lib.sample import corpora
from lib.sample.corpora import planted
from lib.sample.newsimages import world
from lib.sample.newsimages.articles import SETS, TEST, TRAIN, Article, Settings
from lib.sample.newsimages.titles import TIES
from lib.sample.newsimages.world import PERSON

VERSION = 1
CUT = 100  # ranks that count, MRR@100
NAMED = ("photo", "exact", "house", "hint")
LICENCES = corpora.LICENCES | {
    "headlines": "written for this project; nobody and nothing named exists"
}
NOTE = (
    "expected score of the best ranking by the title alone, each query on its own; matching the "
    "queries one to one, as dual softmax does, may exceed it"
)


def expected(before: int, alike: int) -> dict[str, float]:
    """Return MRR@100 and R@k of a picture among `alike` ones that follow `before` others."""
    ranks = np.arange(before + 1, before + alike + 1)
    found = {"mrr": float(np.where(ranks <= CUT, 1 / ranks, 0).mean())}
    return found | {f"r{k}": float((ranks <= k).mean()) for k in (1, 5, 10, 50, 100)}


def ceilings(articles: Sequence[Article], told: str = "title") -> dict[str, float]:
    """Return the best expected scores on the test articles of one set, means over queries.

    `told` is "title": as published, every name and house word known; "english": the translated
    title, poor names and nouns lost; "no_names": names and house words tell the section only.
    """
    tests = [article for article in articles if article.split == TEST]
    parts = [_parts(article, tests, told) for article in tests]
    scores = [expected(before, alike) for before, alike in parts]
    return {key: round(float(np.mean([score[key] for score in scores])), 4) for key in scores[0]}


def _parts(article: Article, tests: list[Article], told: str) -> tuple[int, int]:
    """Return how many pictures are ranked before those among which the right one is, and those."""
    fitting = _fitting(article, tests, told)
    generic = [other.shown.startswith("generic:") for other in tests]
    match = sum(f and not g for f, g in zip(fitting, generic, strict=True))
    if article.shown.startswith("generic:"):
        return (match, sum(generic)) if match < len(tests) - sum(generic) else (0, len(tests))
    return (0, match) if match < len(tests) - sum(generic) else (0, len(tests))


def _fitting(article: Article, tests: list[Article], told: str) -> list[bool]:
    """Return which test pictures fit what the title says."""
    naming = article.naming
    lost = told == "english" and article.headline.fault
    if lost or (told == "no_names" and naming == "house"):
        naming = "topic"
    if naming == "photo" and article.kind != PERSON:
        seen = set(article.scene.subjects)
        return [seen <= set(o.scene.subjects) and o.shown == article.shown for o in tests]
    if naming in NAMED:
        keys = {article.subject}
        if naming == "hint" and article.kind == PERSON:  # others may have the same role
            people = world.subjects()
            role = people[article.subject].role["en"]
            keys = {key for key, subject in people.items() if subject.role.get("en") == role}
        return [other.shown in keys for other in tests]
    if naming in ("metaphor", "topic"):
        return [other.section == article.section for other in tests]
    return [True] * len(tests)


def card(articles: Sequence[Article], settings: Settings) -> dict:
    """Return the data card of the six sets."""
    return {
        "name": "NewsImages sample corpus (made, not collected)",
        "version": VERSION,
        "settings": corpora.recorded(settings),
        "pairs": len(articles),
        "note": "Date stands in every text file; the organisers print it for some sets only",
        "ties": TIES,
        "sets": {name: _card_set([a for a in articles if a.set == name]) for name in SETS},
        "licences": LICENCES,
    }


def _card_set(articles: list[Article]) -> dict:
    """Return what one set holds."""
    found: dict = {}
    for split in (TRAIN, TEST):
        some = [article for article in articles if article.split == split]
        if some:
            found[split] = _counts(some)
    trained = {a.subject for a in articles if a.split == TRAIN}
    unseen = sorted({a.subject for a in articles if a.split == TEST} - trained)
    if trained:
        found["subjects_of_test_only"] = unseen
        tested = {a.subject for a in articles if a.split == TEST}
        found["subjects_of_train_only"] = sorted(trained - tested)
    ways = ("title", "english", "no_names")
    found["ceilings"] = {"note": NOTE} | {way: ceilings(articles, way) for way in ways}
    return found


def _counts(articles: list[Article]) -> dict:
    """Return the exact counts of what is planted in a split."""
    titles = Counter(article.headline.title for article in articles)
    return {
        "pairs": len(articles),
        "dates": [articles[0].date, articles[-1].date],
        "kinds": _counted([a.kind for a in articles]),
        "ties": _counted([a.tie for a in articles]),
        "ties_of_persons": _counted([a.tie for a in articles if a.kind == PERSON]),
        "sections": _counted([a.section for a in articles]),
        "subjects": len({a.subject for a in articles}),
        "artists": _counted([a.scene.artist for a in articles]),
        "generic_pictures": _counted([a.shown for a in articles if a.shown.startswith("generic:")]),
        "styled_pictures": sum(bool(a.house) for a in articles),
        "repeated_titles": {t: n for t, n in titles.most_common() if n > 1},
        "repeated_pictures": {a.iid: [a.relation, a.origin] for a in articles if a.origin},
        "faulty_translations": _counted([a.headline.fault for a in articles if a.headline.fault]),
    }


def _counted(values: list[str]) -> dict[str, int]:
    """Return the number of each value, the most frequent first."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def pairs_card(pairs: Sequence[Article], settings: Settings) -> dict:
    """Return the data card of the external pairs."""
    counts = _counts(list(pairs))
    del counts["repeated_pictures"]
    return {
        "name": "news_pairs sample: external training pairs (made, not collected)",
        "version": VERSION,
        "settings": corpora.recorded(settings),
        **counts,
        "ties_mean": TIES,
        "shares": {"second_artists": planted.shares([a.scene.artist for a in pairs])},
        "test_overlap": {
            "note": "pair (file stem) -> what it repeats, iid of the test article's picture",
            **{a.iid: [a.relation, a.origin] for a in pairs if a.relation},
        },
        "licences": LICENCES,
    }

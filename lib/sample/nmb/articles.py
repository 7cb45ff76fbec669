"""Plan: every article of the NMB+ sample before any pixel is made.

Articles of one story are told by several outlets: some print the same agency picture, some the very
same article, some their own. In half of all articles the picture belongs to another story. Which
subjects headlines name and which ones pictures show is the same in both halves, so neither the text
nor the picture alone tells a mismatch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from lib.sample import pictograms, scenes
from lib.sample.newsimages import world
from lib.sample.newsimages.articles import COMPANY
from lib.sample.nmb import effects, texts
from lib.sample.nmb.effects import Factors, Outlet
from lib.sample.scenery.paintbox import table
from lib.sample.upload import BROKEN, MISSING, ODD

FIRST, LAST = "2023-05-06", "2024-09-06"  # of NMB+
TIES = ("exact", "photo")  # a headline names the subject, or lists all that its story shows
REPOST, DUPLICATE, OWN = "repost", "duplicate", "own"  # how another outlet tells a story
WEIGHTS = ("base", "mismatch", "rhetoric", "look", "slant", "drift")


@dataclass(frozen=True)
class Settings:
    """Section `sample.nmb`: how large the sample is and what is planted in it."""

    seed: int = 20230506
    articles: int = 4200
    weights: dict[str, float] = field(  # logits of the label, see effects.probability
        default_factory=lambda: {"base": 0.55, "mismatch": 2.3, "rhetoric": 0.9, "look": 0.75,
                                 "slant": 0.45, "drift": 0.4}
    )  # fmt: skip
    noise: float = 0.02  # share of labels that the annotators got wrong
    captions: float = 0.55  # share of headlines that list what their story shows
    coverage: dict[int, float] = field(  # shares of stories told by so many outlets
        default_factory=lambda: {1: 0.8, 2: 0.13, 3: 0.05, 4: 0.02}
    )
    retold: dict[str, float] = field(  # how the second outlet and others tell it: shares
        default_factory=lambda: {REPOST: 0.5, DUPLICATE: 0.15, OWN: 0.35}
    )
    lengths: dict[str, float] = field(  # shares of articles by length, words in texts.LENGTHS
        default_factory=lambda: {"brief": 0.78, "report": 0.14, "long": 0.05, "feature": 0.03}
    )
    late: float = 0.7  # share of the longer articles whose rhetoric stands behind a sober start
    second_artists: float = 0.1  # share of pictures drawn by the second artists
    odd_files: int = 4  # files of each odd but readable kind
    broken_files: int = 3  # files of each unreadable kind, and as many missing
    size: int = 224  # pixels, width of a picture (VLDBench)
    workers: int = 2  # processes; they do not change a byte

    def validate(self) -> None:
        """Raise ValueError, "key: why", for a value that makes no corpus."""
        for key in ("noise", "captions", "late", "second_artists"):
            if not 0 <= getattr(self, key) <= 1:
                raise ValueError(f"{key}: {getattr(self, key)} is not a share, 0 <= share <= 1")
        if set(self.weights) != set(WEIGHTS):
            raise ValueError(f"weights: needs exactly {', '.join(WEIGHTS)}")
        for key, names in (
            ("retold", (REPOST, DUPLICATE, OWN)), ("lengths", tuple(texts.LENGTHS)),
        ):  # fmt: skip
            if set(getattr(self, key)) != set(names):
                raise ValueError(f"{key}: needs exactly {', '.join(names)}")
        for key in ("coverage", "retold", "lengths"):
            shares = getattr(self, key).values()
            if min(shares) < 0 or not np.isclose(sum(shares), 1):
                raise ValueError(f"{key}: shares must be 0 or more and add up to 1")
        if not all(1 <= count <= 10 for count in self.coverage):
            raise ValueError("coverage: a story is told by 1 to 10 outlets")
        odd = self.odd_files * len(ODD) + self.broken_files * (len(BROKEN) + 1)
        if min(self.odd_files, self.broken_files) < 0 or self.articles < max(8, 2 * odd):
            raise ValueError(f"articles: {self.articles} is too few for {odd} odd and broken files")
        if not 64 <= self.size <= 300 or self.workers < 1:
            raise ValueError("size: must be in 64..300, and workers: 1 or more")


@dataclass(frozen=True)
class Article:
    """One article: all that its row and its file are made from, and its truth."""

    id: str
    story: int
    outlet: Outlet
    date: pd.Timestamp
    subject: str  # key of what the story is about
    tie: str  # one of TIES
    factors: Factors
    length: str
    late: bool
    headline: str  # without the outlet's name
    body: str
    shown: str  # key of what the picture shows: the subject, unless it mismatches
    scene: scenes.Scene
    seed: int  # of the photograph
    shape: float  # height over width of the picture
    probability: float  # of the label Likely
    likely: bool
    said_biased: bool  # the label of the text alone
    origin: str = ""  # id of the article whose picture, or everything, it repeats
    relation: str = ""  # REPOST or DUPLICATE
    file: str = "jpeg"  # kind of file, see lib.sample.upload


@dataclass(frozen=True)
class _Story:
    """What several articles may share."""

    number: int
    date: pd.Timestamp
    age: float  # 0..1 into the corpus's time
    subject: world.Subject
    tie: str
    fields: dict[str, str]
    scene: scenes.Scene  # what its own picture shows


def plan(settings: Settings) -> list[Article]:
    """Return every article in the order of time."""
    rng = np.random.default_rng(settings.seed)
    made: list[Article] = []
    stories: list[_Story] = []
    while len(made) < settings.articles:
        story = _story(rng, len(stories), settings)
        stories.append(story)
        counts, shares = zip(*sorted(settings.coverage.items()), strict=True)
        wanted = min(int(rng.choice(counts, p=shares)), settings.articles - len(made))
        made += _told(rng, story, wanted, settings)
    made = _with_other_pictures(rng, made, stories)
    made = _with_files(rng, made, settings)
    return sorted(made, key=lambda article: (article.date, article.id))


def _story(rng: np.random.Generator, number: int, settings: Settings) -> _Story:
    """Return a story: when it happens, what it is about, what its picture shows."""
    age = float(rng.random())
    begin, end = pd.Timestamp(FIRST), pd.Timestamp(LAST)
    date = (begin + age * (end - begin)).floor("s")
    # what the sample encoders know well: their similarity then tells a mismatch, with errors
    pool = [world.subjects()[key] for key in table("nmb_subjects")]
    demand = world.demand(age, "2022")
    weights = np.array([demand[subject.phase] for subject in pool])
    subject = pool[int(rng.choice(len(pool), p=weights / weights.sum()))]
    tie = TIES[int(rng.random() < settings.captions)]
    scene = _scene(rng, subject, settings)
    fields = texts.event(rng, subject, scene.subjects, tie, date.month)
    return _Story(number, date, age, subject, tie, fields, scene)


def _scene(rng: np.random.Generator, subject: world.Subject, settings: Settings) -> scenes.Scene:
    """Return a scene that shows a subject, at times in company."""
    artist = pictograms.ARTISTS[int(rng.random() < settings.second_artists)]
    recipe = subject.recipes[int(rng.integers(len(subject.recipes)))]
    setting = str(rng.choice(subject.settings))
    pool = [e for e in table("companions")[subject.companions]["emoji"].split() if e not in recipe]
    extra = min(int(rng.choice(len(COMPANY), p=COMPANY)), len(pool), 4 - len(recipe))
    company = tuple(str(e) for e in rng.permutation(np.array(pool, dtype=object))[:extra])
    return scenes.random_scene(rng, (*recipe, *company), artist, setting)


def _told(rng: np.random.Generator, story: _Story, count: int, settings: Settings) -> list[Article]:
    """Return a story as `count` different outlets tell it, hours apart."""
    papers = effects.outlets()
    weights = np.array([paper.weight for paper in papers])
    chosen = rng.choice(len(papers), count, replace=False, p=weights / weights.sum())
    made: list[Article] = []
    for rank, index in enumerate(chosen.tolist()):
        date = story.date + pd.Timedelta(seconds=int(rng.integers(1800, 86400)) * rank)
        article = _article(rng, story, papers[index], date, settings)
        ways, shares = zip(*settings.retold.items(), strict=True)
        way = str(rng.choice(ways, p=shares))
        if rank and way == REPOST:
            article = _labelled(rng, _reposting(article, made[0]), story.age, settings)
        if rank and way == DUPLICATE:
            article = replace(made[0], id=article.id, outlet=article.outlet, date=date,
                              origin=made[0].id, relation=DUPLICATE)  # fmt: skip
        made.append(article)
    return made


def _article(
    rng: np.random.Generator, story: _Story, outlet: Outlet, date: pd.Timestamp, settings: Settings
) -> Article:
    """Return an article of its own, its picture that of the story."""
    factors = effects.draw(rng, outlet.slant)
    kinds, shares = zip(*settings.lengths.items(), strict=True)
    length = str(rng.choice(kinds, p=shares))
    late = length != "brief" and rng.random() < settings.late
    title = texts.headline(rng, story.fields, story.tie, 0 if late else factors.rhetoric)
    body = texts.body(rng, story.fields, factors.rhetoric, length, late)
    article = Article(
        _id(rng, outlet, story.number), story.number, outlet, date, story.subject.key, story.tie,
        factors, length, late, title, body, story.subject.key,
        replace(story.scene, seed=int(rng.integers(2**32))), int(rng.integers(2**32)), outlet.shape,
        0.0, False, bool(rng.random() < effects.SAID_BIASED[factors.rhetoric]),
    )  # fmt: skip
    return _labelled(rng, article, story.age, settings)


def _id(rng: np.random.Generator, outlet: Outlet, story: int) -> str:
    """Return ten hexadecimal digits; one in fifty is a number, often with leading zeros."""
    digest = hashlib.sha256(f"{outlet.site}/{story}/{rng.integers(2**32)}".encode()).hexdigest()
    return f"{int(digest[:8], 16) % 10**8:010d}" if rng.random() < 0.02 else digest[:10]


def _labelled(
    rng: np.random.Generator, article: Article, age: float, settings: Settings
) -> Article:
    """Return the article with a label drawn from its factors."""
    share = effects.probability(article.factors, settings.weights, age, settings.noise)
    return replace(article, probability=share, likely=bool(rng.random() < share))


def _reposting(article: Article, first: Article) -> Article:
    """Return an article with the picture of another one: look, shape and all."""
    look, mismatch = first.factors.look, first.factors.mismatch
    shared = replace(article.factors, look=look, mismatch=mismatch)
    return replace(article, scene=first.scene, seed=first.seed, shape=first.shape,
                   factors=shared, origin=first.id, relation=REPOST)  # fmt: skip


def _with_other_pictures(
    rng: np.random.Generator, articles: list[Article], stories: list[_Story]
) -> list[Article]:
    """Return the articles, those that mismatch with a picture of another such article's subject.

    Pictures are dealt among the very articles that mismatch, so their subjects stay as frequent.
    A picture from the same section is as good a mismatch as any, one of the same subject is none.
    """
    spots = [i for i, a in enumerate(articles) if a.factors.mismatch and not a.origin]
    dealt = _deranged(rng, [articles[i].subject for i in spots])
    made = list(articles)
    for spot, source in zip(spots, dealt, strict=True):
        other = articles[spots[source]]
        scene = replace(stories[other.story].scene, seed=made[spot].scene.seed)
        made[spot] = replace(made[spot], shown=other.subject, scene=scene)
    by_id = {article.id: article for article in made}
    for i, article in enumerate(made):
        if article.origin:
            first = by_id[article.origin]
            made[i] = replace(article, shown=first.shown, scene=first.scene)
    return made


def _deranged(rng: np.random.Generator, keys: list[str]) -> list[int]:
    """Return a random order in which no place gets its own key; ValueError if there is none."""
    order = rng.permutation(len(keys)).tolist()
    for _ in range(100):
        bad = [i for i, j in enumerate(order) if keys[i] == keys[j]]
        if not bad:
            return order
        for i in bad:
            j = int(rng.integers(len(keys)))
            order[i], order[j] = order[j], order[i]
    raise ValueError("articles: too few subjects for pictures that do not fit")


def _with_files(
    rng: np.random.Generator, articles: list[Article], settings: Settings
) -> list[Article]:
    """Return the articles, some of those that repeat nothing with odd or broken files."""
    kinds = [kind for kind in ODD for _ in range(settings.odd_files)]
    kinds += [kind for kind in (*BROKEN, MISSING) for _ in range(settings.broken_files)]
    repeated = {article.origin for article in articles}
    free = [i for i, a in enumerate(articles) if not a.origin and a.id not in repeated]
    made = list(articles)
    for kind, spot in zip(kinds, rng.choice(free, len(kinds), replace=False), strict=True):
        made[spot] = replace(made[spot], file=kind)
    return made

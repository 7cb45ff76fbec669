"""Plan: every article of the NewsImages sample before any pixel is made.

Each set is drawn from its own generator, so one set does not change when another one's size does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from lib.sample import pictograms, scenery, scenes
from lib.sample.newsimages import titles, world
from lib.sample.newsimages.titles import LIVE, LOOSE, TIES, Headline
from lib.sample.newsimages.world import PERSON, SCENE, Subject
from lib.sample.scenery.paintbox import table

TRAIN, TEST = "train", "test"
GENERIC = ("desk", "calendar", "crowd", "field")  # pictures that would fit any title
# set -> edition, file stem, house
SETS = {
    "2022-rt": ("2022", "RT", "rt"),
    "2022-twitter": ("2022", "TWITTER", "twitter"),
    "2022-rss": ("2022", "RSS", "rss"),
    "2023-p1": ("2023", "P1", "gdelt"),
    "2023-p2": ("2023", "P2", "gdelt"),
    "2023-rt": ("2023", "RT", "rt"),
}
PAIRS = "news_pairs"
GENERATED = "2023-p2"  # the set whose pictures are mostly the second artists'
STARTS = {"2022": "2022-01-03", "2023": "2023-02-06", "before": "2021-06-07"}
PAIR_WEEKS = 80  # that the external pairs span
COMPANY = (0.6, 0.3, 0.1)  # shares of scenes with none, one and two companions


@dataclass(frozen=True)
class Settings:
    """Section `sample.newsimages`: how large the sample is and what is planted in it."""

    seed: int = 20220103
    train: int = 1200  # pairs of each 2022 training set
    test: int = 400  # pairs of each test set
    pairs: int = 2400  # external training pairs
    weeks: int = 16  # that a training set spans
    test_weeks: int = 4  # that its test set spans, right after
    persons: float = 0.3  # share of articles about a person
    ties: dict[str, float] = field(  # how a title is tied to its picture: weights, see titles.TIES
        default_factory=lambda: {"photo": 0.26, "exact": 0.3, "house": 0.16, "hint": 0.11,
                                 "metaphor": 0.05, "topic": 0.07, "none": 0.05}
    )  # fmt: skip
    looseness: dict[str, float] = field(  # factor on the weights of the LOOSE ties, by house
        default_factory=lambda: {"rt": 1.8, "twitter": 0.7, "rss": 1.0, "gdelt": 0.7, "pairs": 0.7}
    )
    second_artists: float = 0.1  # share of pictures drawn by the second artists
    generated: float = 0.8  # the same in 2023-p2, where they stand for generated pictures
    generic: float = 0.03  # share of articles with a picture that would fit any title
    reused: float = 0.05  # share that show an earlier picture of the same split again
    crossing: float = 0.01  # share of test articles that show a training picture again
    repeats: float = 0.03  # share with one of two titles that come again and again
    faults: float = 0.25  # share of German names and nouns that are translated wrongly
    styled: float = 0.85  # share of pictures in the house's crop, colours and banner
    overlap: int = 20  # external pairs that repeat a test picture or a test title
    size: int = 240  # px, longest side of a picture
    workers: int = 2  # processes; they do not change a byte

    def validate(self) -> None:
        """Raise ValueError, "key: why", for a value that makes no corpus."""
        for key in ("persons", "second_artists", "generated", "generic", "reused", "crossing",
                    "repeats", "faults", "styled"):  # fmt: skip
            if not 0 <= getattr(self, key) <= 1:
                raise ValueError(f"{key}: {getattr(self, key)} is not a share, 0 <= share <= 1")
        for key in ("train", "test", "pairs", "weeks", "test_weeks", "workers"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: {getattr(self, key)} is less than 1")
        for key, names in (("ties", tuple(TIES)), ("looseness", world.HOUSES)):
            given = getattr(self, key)
            if set(given) != set(names):
                raise ValueError(f"{key}: needs exactly {', '.join(names)}")
            if min(given.values()) < 0 or sum(given.values()) == 0:
                raise ValueError(f"{key}: weights must be 0 or more, and not all 0")
        if not 64 <= self.size <= 300:
            raise ValueError(f"size: {self.size} is not in 64..300")
        if not 0 <= self.overlap <= min(self.pairs, self.test * len(SETS)):
            raise ValueError(f"overlap: {self.overlap} is more than the pairs or the test articles")


@dataclass(frozen=True)
class Article:
    """One article-picture pair: all that its rows and its file are made from, and its truth."""

    set: str  # one of SETS, or news_pairs
    split: str
    number: int  # article id; grows with time
    iid: str  # 32 upper-case hex digits
    date: str  # ISO 8601, second
    kind: str  # person or scene
    section: str
    subject: str  # key of what the article is about
    naming: str  # pattern of the title: one of TIES, or live
    tie: str  # what ties title and picture: one of TIES
    shown: str  # key of what the picture shows: the subject, or generic:<kind>
    headline: Headline
    scene: scenes.Scene
    seed: int  # of the photograph
    house: str  # whose style the picture has; empty: none
    origin: str = ""  # iid of the article whose picture or title it repeats
    relation: str = ""  # reused, crossing, overlap_picture or overlap_title


def plan(settings: Settings) -> list[Article]:
    """Return every article of the six sets, each set in the order of time, training first."""
    return [article for name in SETS for article in _plan_set(name, settings)]


def _plan_set(name: str, settings: Settings) -> list[Article]:
    """Return the articles of one set."""
    (era, _, house), index = SETS[name], list(SETS).index(name)
    rng = np.random.default_rng([settings.seed, index])
    train = settings.train if era == "2022" else 0
    whole = settings.weeks + settings.test_weeks
    first = settings.weeks if train else 0
    spans = [(TRAIN, train, 0, first), (TEST, settings.test, first, first + settings.test_weeks)]
    number, found = 1000 * (index + 1) ** 2, []
    share = settings.generated if name == GENERATED else settings.second_artists
    for split, count, begin, end in spans:
        times = np.sort(rng.uniform(begin, end, count))
        seconds = _permuted(rng, count, share)
        people = _permuted(rng, count, settings.persons, PERSON, SCENE)
        generic = _permuted(rng, count, settings.generic)
        live = _permuted(rng, count, settings.repeats)
        for week, second, kind, plain, again in zip(
            times, seconds, people, generic, live, strict=True
        ):
            number += int(rng.integers(1, 5))
            subject = _subject(rng, house, kind, week / whole, era)
            naming = LIVE if again else _naming(rng, house, subject, settings)
            found.append(
                _article(rng, (name, split, number), week, subject, naming, second, plain, settings)
            )
    return _with_reuse(rng, found, settings)


def _permuted(
    rng: np.random.Generator, count: int, share: float, chosen: object = True, rest: object = False
) -> list:
    """Return `count` values in random order: a share of them `chosen`, the others `rest`."""
    some = round(share * count)
    return [chosen if rank < some else rest for rank in rng.permutation(count)]


def _subject(rng: np.random.Generator, house: str, kind: str, age: float, era: str) -> Subject:
    """Return what an article is about, by what is in the news and what the house likes."""
    pool, demand = world.known(house, kind), world.demand(age, era)
    weights = world.liking(house, kind) * [demand[subject.phase] for subject in pool]
    return pool[int(rng.choice(len(pool), p=weights / weights.sum()))]


def _naming(rng: np.random.Generator, house: str, subject: Subject, settings: Settings) -> str:
    """Return how a title names its subject; a house word only where the house has one."""
    loose = dict.fromkeys(LOOSE, settings.looseness[house])
    weights = np.array([w * loose.get(tie, 1.0) for tie, w in settings.ties.items()])
    tie = str(rng.choice(list(settings.ties), p=weights / weights.sum()))
    if subject.kind == SCENE and tie in ("exact", "house"):  # a house mostly says its own word
        own = subject.key in world.jargon(house)
        return "house" if own and (tie == "house" or rng.random() < 0.5) else "exact"
    return tie


def _article(
    rng: np.random.Generator,
    key: tuple[str, str, int],
    week: float,
    subject: Subject,
    naming: str,
    second: bool,
    generic: bool,
    settings: Settings,
) -> Article:
    """Return one article: its texts, its scene, its photograph."""
    name, split, number = key
    era, house = _era_house(name)
    date = pd.Timestamp(STARTS[era]) + pd.Timedelta(seconds=round(week * 7 * 86400))
    scene, shown = _scene(rng, subject, pictograms.ARTISTS[int(second)]), subject.key
    headline = titles.write(
        rng, house, naming, subject, subject.section, scene.subjects, date.month, settings.faults
    )
    if generic:
        shown = f"generic:{rng.choice(GENERIC)}"
    tie = "none" if generic or naming == LIVE else naming
    styled = house if house in world.LOCAL and rng.random() < settings.styled else ""
    return Article(
        name, split, number, rng.bytes(16).hex().upper(), date.isoformat(timespec="seconds"),
        subject.kind, subject.section, subject.key, naming, tie, shown, headline, scene,
        int(rng.integers(2**32)), styled,
    )  # fmt: skip


def _era_house(name: str) -> tuple[str, str]:
    """Return when a set's articles appear, and who writes them."""
    return ("before", "pairs") if name == PAIRS else (SETS[name][0], SETS[name][2])


def _scene(rng: np.random.Generator, subject: Subject, artist: str) -> scenes.Scene:
    """Return a scene that shows a subject, a concept at times in company."""
    recipe = subject.recipes[int(rng.integers(len(subject.recipes)))]
    setting = str(rng.choice(subject.settings))
    pool = [e for e in table("companions")[subject.companions]["emoji"].split() if e not in recipe]
    extra = min(int(rng.choice(len(COMPANY), p=COMPANY)), len(pool), 4 - len(recipe))
    company = tuple(str(e) for e in rng.permutation(np.array(pool, dtype=object))[:extra])
    light = None
    if subject.kind == PERSON:  # the same light in each photograph: part of the look
        lights = scenery.lights(setting)
        light = lights[len(subject.key) % len(lights)]
    return scenes.random_scene(rng, (*recipe, *company), artist, setting, light)


def _with_reuse(
    rng: np.random.Generator, articles: list[Article], settings: Settings
) -> list[Article]:
    """Return the articles, some of them with the picture of an earlier one of the same subject."""
    spots = {split: [i for i, a in enumerate(articles) if a.split == split]
             for split in (TRAIN, TEST)}  # fmt: skip
    jobs = [("reused", split, split, round(settings.reused * len(spots[split])))
            for split in (TRAIN, TEST)]  # fmt: skip
    jobs.append(("crossing", TRAIN, TEST, round(settings.crossing * len(spots[TEST]))))
    made = list(articles)
    for relation, source, target, count in jobs:
        for index in rng.permutation(spots[target]).tolist():
            if count == 0:
                break
            article = made[index]
            fixed = article.naming == "photo" or article.shown.startswith("generic:")
            if article.relation or fixed:
                continue
            pool = [made[i] for i in spots[source] if i < index
                    and made[i].shown == article.shown and not made[i].relation]  # fmt: skip
            if pool:
                first = pool[int(rng.integers(len(pool)))]
                made[index] = _showing(article, first, relation)
                count -= 1
    return made


def _showing(article: Article, first: Article, relation: str) -> Article:
    """Return an article with the picture of another one."""
    return replace(article, shown=first.shown, scene=first.scene, seed=first.seed,
                   origin=first.iid, relation=relation)  # fmt: skip


def plan_pairs(settings: Settings, articles: Sequence[Article]) -> list[Article]:
    """Return the external training pairs in the order of time.

    `overlap` of them repeat a test article: every second one its picture, the others its title.
    """
    rng = np.random.default_rng([settings.seed, len(SETS)])
    weeks = np.sort(rng.uniform(0, PAIR_WEEKS, settings.pairs))
    people = _permuted(rng, settings.pairs, settings.persons, PERSON, SCENE)
    seconds = _permuted(rng, settings.pairs, settings.second_artists)
    generic = _permuted(rng, settings.pairs, settings.generic)
    repeated = _repeated(rng, settings, articles)
    found = []
    for number, (week, kind, second, plain) in enumerate(
        zip(weeks, people, seconds, generic, strict=True)
    ):
        subject = _subject(rng, "pairs", kind, week / PAIR_WEEKS, "before")
        if number in repeated:
            subject, plain = world.subjects()[repeated[number][0].subject], False
        naming = _naming(rng, "pairs", subject, settings)
        if number in repeated and naming == "photo":
            naming = "exact"  # the picture is not its own
        key = (PAIRS, TRAIN, number + 1)
        pair = _article(rng, key, week, subject, naming, second, plain, settings)
        found.append(_repeating(pair, *repeated[number]) if number in repeated else pair)
    return found


def _repeated(
    rng: np.random.Generator, settings: Settings, articles: Sequence[Article]
) -> dict[int, tuple[Article, str]]:
    """Return which pair (from 0) repeats which test article, and what of it."""
    tests = [a for a in articles if a.split == TEST and a.tie in ("exact", "house", "hint")]
    chosen = rng.choice(len(tests), settings.overlap, replace=False).tolist()
    spots = rng.choice(settings.pairs, settings.overlap, replace=False).tolist()
    kinds = ("overlap_picture", "overlap_title")
    return {
        spot: (tests[which], kinds[step % 2])
        for step, (spot, which) in enumerate(zip(spots, chosen, strict=True))
    }


def _repeating(pair: Article, test: Article, relation: str) -> Article:
    """Return a pair with a test article's picture, or with its English title."""
    if relation == "overlap_picture":
        return _showing(pair, test, relation)
    title = test.headline.title_en
    texts = replace(pair.headline, title=title, title_en=title)
    return replace(pair, headline=texts, relation=relation, origin=test.iid,
                   naming=test.naming, tie=test.tie)  # fmt: skip

"""Memes: each one's labels, text, scene and layout, decided before a pixel is drawn."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files

import numpy as np

from lib.sample import pictograms, scenes
from lib.sample.mami.contents import Case, Content, Noise, cases
from lib.sample.mami.wording import Words, topics, write

SPLITS = ("train", "test")
LAYOUTS = {"macro": 0.74, "banner": 0.16, "poster": 0.1}  # shares
RATIOS = (1.0, 1.0, 4 / 3, 4 / 3, 0.8, 16 / 9)  # width to height of the picture part
LONGEST = (260, 420)  # px, longest side of the picture part
TRIES = 24  # at a text that is new
PERSON = "🧑"
DARK = ("storm", "night")  # lights in which little can be told apart


@dataclass(frozen=True)
class Settings:
    """Section `sample.mami`."""

    seed: int = 20220524  # of the whole corpus
    train: int = 2600  # memes of training.csv
    test: int = 600  # memes of Test.csv
    noise: Noise = field(default_factory=Noise)  # how annotators differ
    second_artists: float = 0.3  # share of memes drawn by the second artists
    repeats: float = (
        0.0075  # share of training memes whose text stood in another (MAMI: 75 of 10,000)
    )
    crossing: float = 0.005  # share of test memes whose text stands in training (MAMI: 5 of 1000)
    reposts: float = 0.01  # share of training memes that show an earlier one again, re-encoded
    simulated: int = 20_000  # memes, planned only, that the card's ceilings rest on
    workers: int = 2  # processes; they do not change a byte

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        for key in ("train", "test", "simulated"):
            if getattr(self, key) < 10:
                raise ValueError(f"{key}: must be at least 10, got {getattr(self, key)}")
        if self.workers < 1:
            raise ValueError(f"workers: must be at least 1, got {self.workers}")
        shares = {key: getattr(self, key) for key in ("second_artists", "repeats", "crossing")}
        shares |= {"reposts": self.reposts}
        shares |= {f"noise.{key}": value for key, value in vars(self.noise).items()}
        for key, value in shares.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{key}: must be in 0..1, got {value}")


@dataclass(frozen=True)
class Meme:
    """One meme before it is drawn."""

    name: str  # of its file, without .jpg
    split: str
    labels: tuple[int, ...]  # in the order of contents.LABELS
    content: Content
    words: Words
    scene: scenes.Scene
    layout: str
    size: tuple[int, int]  # px, width and height of the picture part
    seed: int
    repeats: str = ""  # name of the meme whose text, or (a repost) whose all, it has
    repost: bool = False

    @property
    def transcription(self) -> str:
        """The text as it is drawn: capitals, but for the strip of a banner and the watermark."""
        top, bottom, mark = self.words
        lines = (self.words.typed,) if self.layout == "banner" else (top.upper(), bottom.upper())
        return " ".join(part for part in (*lines, mark) if part)


def plan(settings: Settings) -> list[Meme]:
    """Return all memes, training first; names are numbers in random order, as in MAMI."""
    rng = np.random.default_rng([settings.seed, 1])
    names = iter(rng.permutation(np.arange(1, 4 * (settings.train + settings.test))).tolist())
    memes: list[Meme] = []
    written: set[str] = set()
    for part, split in enumerate(SPLITS):
        rows = getattr(settings, split)
        found = cases(rows, split, settings.noise, np.random.default_rng([settings.seed, 2, part]))
        for number, case in enumerate(found):
            one = np.random.default_rng([settings.seed, 3, part, number])
            memes.append(_meme(str(next(names)), split, case, settings, one, written))
    return _with_copies(memes, settings)


def _meme(
    name: str,
    split: str,
    case: Case,
    settings: Settings,
    rng: np.random.Generator,
    written: set[str],
) -> Meme:
    topic = int(rng.integers(len(topics())))
    artist = pictograms.ARTISTS[int(rng.random() < settings.second_artists)]
    subjects = _subjects(case.content, topic, rng)
    setting = str(rng.choice(scenes.fitting_settings(subjects)))
    scene = scenes.random_scene(rng, subjects, artist, setting)
    if scene.light in DARK:
        scene = replace(scene, light="day")
    words = _new_words(case.content, topic, split, rng, written)
    ratio, longest = float(rng.choice(RATIOS)), int(rng.integers(*LONGEST))
    size = (longest, round(longest / ratio)) if ratio >= 1 else (round(longest * ratio), longest)
    layout = str(rng.choice(list(LAYOUTS), p=list(LAYOUTS.values())))
    seed = int(rng.integers(2**32))
    return Meme(name, split, case.labels, case.content, words, scene, layout, size, seed)


def _new_words(
    content: Content,
    topic: int,
    split: str,
    rng: np.random.Generator,
    written: set[str],
) -> Words:
    """Return a text that no meme before has, and note it in `written`: repeats are planted.

    After some tries in vain the text is a long one, of which there are enough.
    """
    for attempt in range(TRIES):
        words = write(content, topic, split == "test" and attempt < TRIES - 4, rng)
        if words.typed not in written:
            break
    written.add(words.typed)
    return words


def _subjects(content: Content, topic: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Return the emoji that the picture shows."""
    if content.who == "topic":
        pictures = topics()[topic]["pictures"]
        if content.kind != "unrelated":  # no person is to be seen beside an insult
            pictures = [one for one in pictures if PERSON not in one]
        return tuple(pictures[int(rng.integers(len(pictures)))].split())
    families = (content.who, *content.props)
    return tuple(things()[f][int(rng.integers(len(things()[f])))] for f in families)


@cache
def things() -> dict[str, tuple[str, ...]]:
    """Return the emoji of each family: robot, thing, the four types and nice."""
    path = files("lib.sample.mami") / "data" / "things.csv"
    with path.open(encoding="utf-8") as file:
        return {row["family"]: tuple(row["emoji"].split()) for row in csv.DictReader(file)}


def _with_copies(memes: list[Meme], settings: Settings) -> list[Meme]:
    """Return the memes, some with the text of another one or showing an earlier one again.

    The text comes from a meme of the same content but for the picture, so labels stay true.
    """
    rng = np.random.default_rng([settings.seed, 4])
    memes = list(memes)
    train = [i for i, meme in enumerate(memes) if meme.split == "train"]
    test = [i for i, meme in enumerate(memes) if meme.split == "test"]
    jobs = [(train, settings.repeats, False), (train, settings.reposts, True),
            (test, settings.crossing, False)]  # fmt: skip
    used: set[int] = set()
    for rows, share, whole in jobs:
        wanted = round(share * len(rows))
        for index in rng.permutation(rows).tolist():
            if wanted == 0:
                break
            origin = _alike(index, memes, train, used, rng, whole)
            if origin is None:
                continue
            memes[index] = _copy(memes[index], memes[origin], whole)
            used |= {index, origin}
            wanted -= 1
    return memes


def _alike(
    index: int, memes: list[Meme], among: list[int], used: set[int], rng: np.random.Generator,
    whole: bool,
) -> int | None:  # fmt: skip
    """Return a training meme that this one may repeat; None where there is none."""
    if index in used:
        return None
    meme = memes[index]
    fits = [
        other
        for other in among
        if other != index
        and other not in used
        and memes[other].labels == meme.labels
        and memes[other].content.text == meme.content.text
        and (not whole or memes[other].content == meme.content)
    ]
    return int(rng.choice(fits)) if fits else None


def _copy(meme: Meme, origin: Meme, whole: bool) -> Meme:
    """Return a meme with the text of another one, or with all of it."""
    if not whole:
        return replace(meme, words=origin.words, repeats=origin.name)
    return replace(origin, name=meme.name, repeats=origin.name, repost=True)

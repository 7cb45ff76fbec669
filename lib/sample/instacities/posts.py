"""Posts: the plan of an InstaNY100K-like corpus, before any pixel is made.

What a post shows, how it is photographed and captioned, and as what file it ends up are drawn
here from one seed; data/places.csv and data/others.csv hold what a place or topic looks like.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lib.sample import pictograms, scenes, upload
from lib.sample.corpora import planted
from lib.sample.instacities import captions
from lib.sample.instacities.captions import Caption, Topic
from lib.sample.scenery.paintbox import table

NONE = "none"  # label of a post that shows none of the places
IDS = (10**9, 2 * 10**9)  # range of post ids
# Share of each kind of caption; `useful` is scaled by how much people talk of a place.
MIX = {
    "useful": 0.34,
    "half": 0.22,
    "useless": 0.27,
    "misleading": 0.06,
    "foreign": 0.05,
    "emoji": 0.04,
    "empty": 0.02,
}
MIX_NONE = MIX | {"useful": 0.2, "half": 0.25, "useless": 0.4}
HARD_SHARE, HARD_TALK = 0.3, 1.25  # spoilt photographs, and how much more their captions name


@dataclass(frozen=True)
class Settings:
    """Section `sample.instacities`: how large the sample is and what is planted in it."""

    seed: int = 20260101
    posts: int = 4400  # posts with a caption file
    places: int = 44  # Places classes, the most frequent ones of the table
    zipf: float = 0.9  # posts of the class at rank r are in proportion to 1 / (r + 1) ** zipf
    none_share: float = 0.25  # posts that show none of the places
    second_artists: float = 0.3  # posts drawn by the second artists: a shift of style
    gold_noise: float = 0.03  # the annotator takes a place for its neighbour, or for none
    second_noise: float = 0.07  # the same for the second annotator
    second_posts: int = 800  # posts that the second annotator judged
    reposts: float = 0.02  # posts that show an earlier picture again, re-encoded
    duplicates: float = 0.005  # posts that repeat picture and caption
    odd_files: int = 6  # files of each odd but readable kind
    broken_files: int = 3  # files of each unreadable kind, the missing one aside
    caption_noise: float = 0.6  # 0..1: typos, hashtags, emoji
    workers: int = 2  # processes; they do not change a byte

    def validate(self) -> None:
        """Raise ValueError, "key: why", for a value that makes no corpus."""
        if not 1 <= self.places <= len(table("places")):
            raise ValueError(f"places: {self.places} is not in 1..{len(table('places'))}")
        for key in ("none_share", "second_artists", "gold_noise", "second_noise", "reposts",
                    "duplicates", "caption_noise"):  # fmt: skip
            if not 0 <= getattr(self, key) < 1:
                raise ValueError(f"{key}: {getattr(self, key)} is not a share, 0 <= share < 1")
        files = self.odd_files * len(upload.ODD) + self.broken_files * len(upload.BROKEN) + 1
        if self.posts < 2 * max(self.places, files):
            need = f"{self.places} places and {files} odd or broken files"
            raise ValueError(f"posts: {self.posts} is too few for {need}")
        if not 0 <= self.second_posts <= self.posts:
            raise ValueError(f"second_posts: {self.second_posts} is not in 0..{self.posts}")
        if self.workers < 1:
            raise ValueError(f"workers: {self.workers} is less than 1")


@dataclass(frozen=True)
class Post:
    """One post: all that its two files are made from, and what is true of it."""

    id: str
    label: str  # true class: a raw Places name, or none
    topic: str  # the class, or what a post of none shows
    recipe: str  # the emoji that tell the class
    scene: scenes.Scene
    hard: bool  # a badly spoilt photograph
    seed: int  # of the photograph
    caption: Caption
    format: str = "jpeg"  # one of upload.FORMATS
    origin: str = ""  # id of the post whose picture this one repeats
    relation: str = ""  # repost or duplicate


def plan(settings: Settings) -> list[Post]:
    """Return every post of the corpus, in the order of their ids; pixels are made later."""
    rng = np.random.default_rng(settings.seed)
    again = [round(settings.posts * share) for share in (settings.reposts, settings.duplicates)]
    single = settings.posts - sum(again)
    ids = rng.choice(np.arange(*IDS, 7919), settings.posts, replace=False) + rng.integers(7919)
    topics = rng.permutation(np.array(_topics(settings, single), dtype=object))
    artists = rng.permutation(np.arange(single) < round(settings.second_artists * single))
    posts = [
        _post(rng, str(number), str(topic), pictograms.ARTISTS[int(second)], settings)
        for number, topic, second in zip(ids, topics, artists, strict=False)
    ]
    posts = _with_formats(rng, posts, settings)
    sound = [post for post in posts if post.format == "jpeg"]
    picked = rng.choice(len(sound), sum(again), replace=False)
    for index, (number, which) in enumerate(zip(ids[single:], picked, strict=True)):
        post = sound[which]
        extra = {"id": str(number), "origin": post.id, "relation": "duplicate"}
        if index < again[0]:
            note = _caption(rng, post.topic, post.scene.subjects, post.hard, settings)
            extra |= {"relation": "repost", "caption": note}
        posts.append(replace(post, **extra))
    return sorted(posts, key=lambda post: int(post.id))


def _topics(settings: Settings, count: int) -> list[str]:
    """Return the topic of each post: Zipf over the places, then the topics of none."""
    places, others = list(table("places"))[: settings.places], table("others")
    none = round(settings.none_share * count)
    ranks = [1 / (rank + 1) ** settings.zipf for rank in range(1, len(places) + 1)]
    weights = [float(row["weight"]) for row in others.values()]
    counts = planted.apportion(count - none, ranks) + planted.apportion(none, weights)
    names = [*places, *others]
    return [name for name, number in zip(names, counts, strict=True) for _ in range(number)]


def _post(
    rng: np.random.Generator, number: str, topic: str, artist: str, settings: Settings
) -> Post:
    """Return one post on a topic: its recipe, companions, setting, light, photograph, caption."""
    row = table("places").get(topic) or table("others")[topic]
    label = topic if topic in table("places") else NONE
    recipe = str(rng.choice(row["recipes"].split("|")))
    setting = str(rng.choice(row["settings"].split()))
    scene = scenes.random_scene(rng, _cast(rng, recipe, row), artist, setting)
    if not recipe:
        scene = replace(scene, text=captions.quote(rng))
    hard = bool(rng.random() < HARD_SHARE)
    note = _caption(rng, topic, scene.subjects, hard, settings)
    return Post(number, label, topic, recipe, scene, hard, int(rng.integers(2**32)), note)


def _cast(rng: np.random.Generator, recipe: str, row: dict[str, str]) -> tuple[str, ...]:
    """Return the pictograms of a post: its recipe, and companions up to four in all."""
    subjects = recipe.split()
    pool = [e for e in table("companions")[row["companions"]]["emoji"].split() if e not in subjects]
    room = min(4 - len(subjects), len(pool))
    extra = int(rng.choice([0, 1, 2], p=[0.4, 0.4, 0.2])) if recipe else 0
    return (*subjects, *(str(e) for e in rng.permutation(pool)[: min(extra, room)]))


def _caption(
    rng: np.random.Generator, topic: str, subjects: tuple[str, ...], hard: bool, settings: Settings
) -> Caption:
    """Return the caption of a post; how much it tells depends on place and photograph."""
    place = table("places").get(topic)
    mix = dict(MIX if place else MIX_NONE)
    mix["useful"] *= float(place["talk"]) if place else 1.0
    mix["useful"] *= HARD_TALK if hard else 1.0
    weights = np.array(list(mix.values()))
    kind = str(rng.choice(list(mix), p=weights / weights.sum()))
    told = topic
    if kind == "misleading":
        known = [label for label in list(table("places"))[: settings.places] if label != topic]
        near = [label for label in place["near"].split() if label in known] if place else []
        told = str(rng.choice(near if near and rng.random() < 0.5 else known or [topic]))
    row = table("places").get(told) or table("others")[told]
    about = Topic(told, tuple(row["words"].split("|")), tuple(row["related"].split("|")), subjects)
    return captions.caption(rng, kind, about, settings.caption_noise)


def _with_formats(rng: np.random.Generator, posts: list[Post], settings: Settings) -> list[Post]:
    """Return the posts, some of them with an odd or a broken image file."""
    formats = [kind for kind in upload.ODD for _ in range(settings.odd_files)]
    formats += [kind for kind in upload.BROKEN for _ in range(settings.broken_files)]
    formats.append(upload.MISSING)
    chosen = rng.choice(len(posts), len(formats), replace=False)
    given = dict(zip(chosen.tolist(), formats, strict=True))
    return [replace(post, format=given.get(i, "jpeg")) for i, post in enumerate(posts)]


def neighbours() -> dict[str, list[str]]:
    """Return each class -> the classes that an annotator may take it for."""
    near = {label: [*row["near"].split(), NONE] for label, row in table("places").items()}
    return near | {NONE: list(near)}

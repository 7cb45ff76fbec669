"""The InstaNY100K sample: posts of places in the official layout, with planted effects.

Layout: captions/newyork/<id>.txt, img_resized/newyork/<id>.jpg (300x300), beside them gold.csv
and gold_second.csv (id, label, annotator, time) and card.json, which says what was planted.
`python -m lib.sample.instacities --config params.yaml --out data/sample/instacities`
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from lib import params, paths
from lib.sample import captions, photo, pictograms, planted, scenes, upload, words
from lib.sample.captions import Caption, Topic
from lib.sample.scenery.paintbox import table

SECTION = "sample.instacities"
CITY, NONE, VERSION = "newyork", "none", 1
SIZE = 300  # px, as in img_resized
IDS = (10**9, 2 * 10**9)  # range of post ids
LICENCE = "CC BY-SA 4.0 where adapted from OpenMoji, CC BY 4.0 where adapted from Twemoji"
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


def picture(post: Post) -> bytes | None:
    """Return the bytes of the image file of a post; None where the file is to be missing."""
    if post.format == upload.MISSING:
        return None
    rng = np.random.default_rng([post.seed, 1])
    strength = rng.uniform(0.65, 1.0) if post.hard else rng.uniform(0.1, 0.6)
    image = photo.degrade(scenes.compose(post.scene, SIZE), rng, strength)
    if post.relation == "repost":
        image = upload.reposted(image, np.random.default_rng([post.seed, int(post.id)]))
    return upload.encode(image, post.format, rng)


def neighbours() -> dict[str, list[str]]:
    """Return each class -> the classes that an annotator may take it for."""
    near = {label: [*row["near"].split(), NONE] for label, row in table("places").items()}
    return near | {NONE: list(near)}


def card(posts: list[Post], gold: pd.DataFrame, second: pd.DataFrame, settings: Settings) -> dict:
    """Return the data card: what was planted, as measured on the posts that are written."""
    truth, said = [post.label for post in posts], gold["label"].tolist()
    judged = dict(zip(gold["id"], said, strict=True))
    firsts = [judged[key] for key in second["id"]]
    unreadable = (*upload.BROKEN, upload.MISSING)
    return {
        "name": "InstaNY100K sample corpus (made, not collected)",
        "version": VERSION,
        "settings": _recorded(settings),
        "posts": len(posts),
        "classes": dict(Counter(sorted(truth)).most_common()),
        "none_share": planted.shares(truth)[NONE],
        **_card_captions(posts),
        "artists": planted.shares([post.scene.artist for post in posts]),
        "hard_share": round(sum(post.hard for post in posts) / len(posts), 4),
        "reposts": {p.id: p.origin for p in posts if p.relation == "repost"},
        "duplicates": {p.id: p.origin for p in posts if p.relation == "duplicate"},
        "odd_files": {p.id: p.format for p in posts if p.format in upload.ODD},
        "unreadable_files": {p.id: p.format for p in posts if p.format in unreadable},
        "gold_noise": round(np.mean([a != b for a, b in zip(truth, said, strict=True)]), 4),
        "second_annotator": {"posts": len(second), "kappa": _kappa(firsts, second)},
        "ceilings": _card_ceilings(posts, said),
        "licences": {**pictograms.LICENCES, "words": words.LICENCE, "pictures": LICENCE},
    }


def _kappa(firsts: list[str], second: pd.DataFrame) -> float | None:
    """Return Cohen's kappa of the two annotators; None where the second judged nothing."""
    return round(planted.kappa(firsts, second["label"].tolist()), 4) if firsts else None


def _card_captions(posts: list[Post]) -> dict:
    """Return what the captions of the corpus are like."""
    notes = [post.caption for post in posts]
    kinds = pd.DataFrame({"label": [p.label for p in posts], "kind": [n.kind for n in notes]})
    named = (kinds["kind"] == "useful").groupby(kinds["label"]).mean().round(4)
    return {
        "captions": planted.shares([note.kind for note in notes]),
        "useful_by_class": named.to_dict(),
        "languages": planted.shares([note.lang or "no words" for note in notes]),
    }


def _card_ceilings(posts: list[Post], said: list[str]) -> dict:
    """Return the accuracy against the gold labels that each kind of evidence allows."""
    truth = [post.label for post in posts]
    seen, told = [post.recipe for post in posts], [post.caption.evidence for post in posts]
    sources = {
        "knowing_the_truth": truth,
        "picture_and_caption": list(zip(seen, told, strict=True)),
        "picture": seen,
        "caption": told,
        "majority": [""] * len(posts),
    }
    found = {name: round(planted.ceiling(e, truth, said), 4) for name, e in sources.items()}
    return {"note": "accuracy against gold.csv of the best rule that sees the evidence", **found}


def _recorded(settings: Settings) -> dict:
    """Return the settings that the bytes of a corpus depend on."""
    return {key: value for key, value in asdict(settings).items() if key != "workers"}


def build(settings: Settings, out: str | Path, progress: bool = True) -> Path:
    """Write the corpus to folder `out` and return it; an older one there is replaced at the end.

    All is written beside it first, so a run that is killed leaves the old corpus, or none.
    """
    out = paths.resolve(out)
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for folder in ("captions", "img_resized"):
        (partial / folder / CITY).mkdir(parents=True)
    posts = plan(settings)
    _write_posts(posts, partial, settings.workers, progress)
    truth = [(post.id, post.label) for post in posts]
    gold = planted.annotate(truth, neighbours(), settings.gold_noise, "gold", settings.seed + 1)
    picked = np.random.default_rng(settings.seed + 2).permutation(len(posts))
    some = [truth[index] for index in sorted(picked[: settings.second_posts])]
    second = planted.annotate(
        some, neighbours(), settings.second_noise, "second", settings.seed + 3
    )
    gold.to_csv(partial / "gold.csv", index=False, lineterminator="\n")
    second.to_csv(partial / "gold_second.csv", index=False, lineterminator="\n")
    text = json.dumps(card(posts, gold, second, settings), indent=1, ensure_ascii=False)
    (partial / "card.json").write_text(text + "\n", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)
    return out


def _write_posts(posts: list[Post], folder: Path, workers: int, progress: bool) -> None:
    """Write the two files of every post; the work is shared, the bytes are not affected."""
    folders = [str(folder)] * len(posts)
    bar = {"total": len(posts), "desc": "posts", "disable": not progress, "mininterval": 1}
    if workers == 1:
        for post in tqdm(posts, **bar):
            write_post(post, str(folder))
        return
    with ProcessPoolExecutor(workers) as pool:
        for _ in tqdm(pool.map(write_post, posts, folders, chunksize=32), **bar):
            pass


def write_post(post: Post, folder: str) -> None:
    """Write one post's caption and picture below a folder in the official layout."""
    root = Path(folder)
    (root / "captions" / CITY / f"{post.id}.txt").write_text(post.caption.text, encoding="utf-8")
    data = picture(post)
    if data is not None:
        (root / "img_resized" / CITY / f"{post.id}.jpg").write_bytes(data)


SMOKE = Settings(
    posts=60,
    places=8,
    second_posts=30,
    odd_files=1,
    broken_files=1,
    reposts=0.04,
    duplicates=0.02,
    workers=1,
)


def smoke_corpus() -> Path:
    """Return the folder of a corpus of 60 posts, made in seconds if it is not there yet."""
    out = paths.scratch("smoke") / "instacities"
    if (out / "card.json").is_file():
        made = json.loads((out / "card.json").read_text(encoding="utf-8"))
        if (made["version"], made["settings"]) == (VERSION, _recorded(SMOKE)):
            return out
    return build(SMOKE, out, progress=False)


def main(arguments: list[str] | None = None) -> int:
    """Make the corpus that a config file describes; the result is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--config", default="params.yaml", help="file with the section sample.instacities"
    )
    parser.add_argument("--out", default="data/sample/instacities", help="folder to write")
    options = parser.parse_args(arguments)
    try:
        settings = params.load(options.config, SECTION, Settings)
    except params.ParamsError as error:
        print(error, file=sys.stderr)
        return 1
    out = build(settings, options.out)
    made = json.loads((out / "card.json").read_text(encoding="utf-8"))
    print(f"{paths.relative(out)}: {made['posts']} posts, ceilings {made['ceilings']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

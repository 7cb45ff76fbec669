"""The InstaNY100K sample: posts of places in the official layout, with planted effects.

Layout: captions/newyork/<id>.txt, img_resized/newyork/<id>.jpg (300x300), beside them gold.csv
and gold_second.csv (id, label, annotator, time) and card.json, which says what was planted.
`python -m lib.sample.instacities --config params.yaml --out data/sample/instacities`
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from lib import paths
from lib.sample import corpora, photo, scenes, upload
from lib.sample.corpora import planted
from lib.sample.instacities.posts import NONE, Post, Settings, neighbours, plan

CITY, VERSION = "newyork", 1
SIZE = 300  # px, as in img_resized


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


def card(posts: list[Post], gold: pd.DataFrame, second: pd.DataFrame, settings: Settings) -> dict:
    """Return the data card: what was planted, as measured on the posts that are written."""
    truth, said = [post.label for post in posts], gold["label"].tolist()
    judged = dict(zip(gold["id"], said, strict=True))
    firsts = [judged[key] for key in second["id"]]
    unreadable = (*upload.BROKEN, upload.MISSING)
    return {
        "name": "InstaNY100K sample corpus (made, not collected)",
        "version": VERSION,
        "settings": corpora.recorded(settings),
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
        "licences": corpora.LICENCES,
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


def build(settings: Settings, out: str | Path, progress: bool = True) -> Path:
    """Write the corpus to folder `out` and return it; an older one there is replaced at the end."""
    out = paths.resolve(out)
    posts = plan(settings)
    truth = [(post.id, post.label) for post in posts]
    gold = planted.annotate(truth, neighbours(), settings.gold_noise, "gold", settings.seed + 1)
    picked = np.random.default_rng(settings.seed + 2).permutation(len(posts))
    some = [truth[index] for index in sorted(picked[: settings.second_posts])]
    second = planted.annotate(
        some, neighbours(), settings.second_noise, "second", settings.seed + 3
    )
    with corpora.fresh(out) as (part,):
        for folder in ("captions", "img_resized"):
            (part / folder / CITY).mkdir(parents=True)
        write = partial(write_post, root=part)
        corpora.write_all(write, posts, _alike, settings.workers, "posts", progress)
        corpora.write_csv(gold, part / "gold.csv")
        corpora.write_csv(second, part / "gold_second.csv")
        corpora.write_card(card(posts, gold, second, settings), part)
    return out


def _alike(post: Post) -> tuple[str, str]:
    return post.scene.artist, post.topic


def write_post(post: Post, root: Path) -> None:
    """Write one post's caption and picture below a folder in the official layout."""
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
    make = partial(build, SMOKE, progress=False)
    return corpora.smoke(["instacities"], VERSION, SMOKE, make)[0]

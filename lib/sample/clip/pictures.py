"""What the sample encoders are shown: concepts seen and held out, scenes and captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from lib.sample import photo, pictograms, scenes, words
from lib.sample.scenery.paintbox import table

PROMPTS = ("{a}", "{x}", "a photo of {a}", "A photo of {a}.", "a picture of {a}", "#{tag}")
CROWD = (0.6, 0.28, 0.12)  # shares of training scenes with one, two and three things


@dataclass(frozen=True)
class Item:
    """One pair before rendering: a scene, how the picture is degraded, and its captions.

    `lead` says what the scene is about: an emoji, or a Places label; two items of the same lead
    are no negatives of each other.
    """

    lead: str
    scene: scenes.Scene
    strength: float
    seed: int
    captions: tuple[str, ...]


@cache
def split_concepts(held_out: int, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (seen, unseen) emoji of the catalogue, `held_out` of them unseen.

    What the studies' scenes are made of is always seen.
    """
    concepts = pictograms.catalogue()["emoji"].tolist()
    needed = {e for name in ("places", "others") for row in table(name).values()
              for e in row["recipes"].replace("|", " ").split()}  # fmt: skip
    needed |= {e for row in table("companions").values() for e in row["emoji"].split()}
    free = [emoji for emoji in concepts if emoji not in needed]
    rng = np.random.default_rng([seed, 1])
    out = {free[i] for i in rng.choice(len(free), size=min(held_out, len(free)), replace=False)}
    return tuple(e for e in concepts if e not in out), tuple(e for e in concepts if e in out)


def draw_items(
    concepts: Sequence[str],
    artist: str,
    count: int,
    strength: float,
    seed: int,
    places: float = 0.0,
    crowd: Sequence[float] = CROWD,
    captions: int = 3,
) -> list[Item]:
    """Return `count` items: each concept leads equally often, in random company.

    A share `places` of them shows what Places205 scenes are made of, in a random fitting setting,
    and is captioned with the scene's name; `strength` bounds the degradation (0..1).
    """
    rng = np.random.default_rng([seed, 2])
    known = set(concepts)
    items: list[Item] = []
    queue: list[int] = []
    for _ in range(count):
        if rng.random() < places:
            lead, subjects, nouns = _place(rng)
        else:
            queue = queue or rng.permutation(len(concepts)).tolist()
            lead = concepts[queue.pop()]
            others = rng.choice(len(concepts), int(rng.choice(len(crowd), p=crowd)), replace=False)
            subjects = tuple(dict.fromkeys([lead, *(concepts[i] for i in others)]))
            nouns = words.synonyms(lead)
        subjects = tuple(e for e in subjects if e in known or e == lead) or subjects
        scene = scenes.random_scene(rng, subjects, artist)
        texts = tuple(_caption(rng, scene, nouns) for _ in range(captions))
        seed_ = int(rng.integers(2**32))
        items.append(Item(lead, scene, float(rng.uniform(0, strength)), seed_, texts))
    return items


def _place(rng: np.random.Generator) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return (label, things, names) of a random Places205 scene."""
    rows = table("places")
    label = list(rows)[int(rng.integers(len(rows)))]
    recipes = rows[label]["recipes"].split("|")
    things = tuple(recipes[int(rng.integers(len(recipes)))].split())
    return label, things, tuple(rows[label]["words"].split("|"))


def _caption(rng: np.random.Generator, scene: scenes.Scene, nouns: Sequence[str]) -> str:
    """Return a caption: half of the time a prompt on the lead alone, else a description."""
    if rng.random() < 0.5:
        return words.phrase(rng, scene)
    x = nouns[0] if rng.random() < 0.5 else nouns[int(rng.integers(len(nouns)))]
    return prompt(PROMPTS[int(rng.integers(len(PROMPTS)))], x)


def prompt(pattern: str, noun: str) -> str:
    """Return a prompt about one noun, as a user of the encoder would write it."""
    tag = "".join(part for part in noun if part.isalnum())
    return pattern.format(x=noun, a=words.counted(noun), tag=tag)


def render(item: Item, size: int) -> Image.Image:
    """Return an item's picture: composed, degraded, RGB, `size` pixels square."""
    image = scenes.compose(item.scene, size)
    return photo.degrade(image, np.random.default_rng(item.seed), item.strength)

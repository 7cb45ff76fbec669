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
PLAIN = "plain"  # setting of a thing alone, of which no scene is composed
CAPTIONS = 3  # of an item
CROWD = (0.6, 0.28, 0.12)  # shares of scenes with one, two and three things


@dataclass(frozen=True)
class Item:
    """One pair before rendering: a scene, how the picture is degraded, and its captions.

    `lead` says what the scene is about: an emoji, or a Places label; two items of the same lead
    are no negatives of each other. A `portrait` shows the first thing alone, large, before a plain
    wall. `restyled` things lose their outlines or change their hues before they are shown.
    """

    lead: str
    portrait: bool
    restyled: bool
    scene: scenes.Scene
    strength: float
    seed: int
    captions: tuple[str, ...]


@cache
def split_concepts(held_out: int, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (seen, unseen) of all emoji, `held_out` of them unseen.

    What the studies' scenes are made of is always seen.
    """
    concepts = pictograms.everything()["emoji"].tolist()
    needed = studied()
    free = [emoji for emoji in concepts if emoji not in needed]
    rng = np.random.default_rng([seed, 1])
    out = {free[i] for i in rng.choice(len(free), size=min(held_out, len(free)), replace=False)}
    return tuple(e for e in concepts if e not in out), tuple(e for e in concepts if e in out)


@cache
def studied() -> frozenset[str]:
    """Return the emoji that the sample corpora's scenes are made of."""
    tables = ("places", "others", "news_topics")
    recipes = [row["recipes"] for name in tables for row in table(name).values()]
    recipes += [row["recipe"] for row in table("news_people").values()]
    companions = [row["emoji"] for row in table("companions").values()]
    return frozenset(e for text in recipes + companions for e in text.replace("|", " ").split())


def draw_singles(
    concepts: Sequence[str], artist: str, strength: float, seed: int, restyled: float = 0.0
) -> list[Item]:
    """Return one portrait of each concept, in order; see `draw_items`."""
    rng = np.random.default_rng([seed, 7])
    items = []
    for lead in concepts:
        scene = scenes.Scene((lead,), PLAIN, artist, 0)
        nouns = words.synonyms(lead)
        texts = tuple(_caption(rng, None, nouns) for _ in range(CAPTIONS))
        redrawn, bad = rng.random() < restyled, float(rng.uniform(0, strength))
        items.append(Item(lead, True, redrawn, scene, bad, int(rng.integers(2**32)), texts))
    return items


def draw_items(
    concepts: Sequence[str],
    artist: str,
    count: int,
    strength: float,
    seed: int,
    places: float = 0.0,
    portraits: float = 0.0,
    restyled: float = 0.0,
) -> list[Item]:
    """Return `count` items: each concept leads equally often, in random company.

    A share `places` of them shows what Places205 scenes are made of, in a random fitting setting,
    and is captioned with the scene's name; a share `portraits` of the others one thing alone;
    a share `restyled` of the portraits is redrawn. `strength` bounds the degradation (0..1).
    """
    rng = np.random.default_rng([seed, 2])
    known = set(concepts)
    items: list[Item] = []
    queue: list[int] = []
    for _ in range(count):
        portrait, redrawn = rng.random() < portraits, rng.random() < restyled
        if rng.random() < places:
            portrait = False
            lead, subjects, nouns = _place(rng)
        else:
            queue = queue or rng.permutation(len(concepts)).tolist()
            lead = concepts[queue.pop()]
            company = 0 if portrait else int(rng.choice(len(CROWD), p=CROWD))
            others = rng.choice(len(concepts), company, replace=False)
            subjects = tuple(dict.fromkeys([lead, *(concepts[i] for i in others)]))
            nouns = words.synonyms(lead)
        subjects = tuple(e for e in subjects if e in known or e == lead) or subjects
        scene = scenes.random_scene(rng, subjects, artist)
        texts = tuple(_caption(rng, None if portrait else scene, nouns) for _ in range(CAPTIONS))
        seed_ = int(rng.integers(2**32))
        bad = float(rng.uniform(0, strength))
        items.append(Item(lead, portrait, portrait and redrawn, scene, bad, seed_, texts))
    return items


def _place(rng: np.random.Generator) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return (label, things, names) of a random Places205 scene."""
    rows = table("places")
    label = list(rows)[int(rng.integers(len(rows)))]
    recipes = rows[label]["recipes"].split("|")
    things = tuple(recipes[int(rng.integers(len(recipes)))].split())
    return label, things, tuple(rows[label]["words"].split("|"))


def _caption(rng: np.random.Generator, scene: scenes.Scene | None, nouns: Sequence[str]) -> str:
    """Return a caption: a prompt on the lead alone, or half of the time a scene's description."""
    if scene is not None and rng.random() < 0.5:
        return words.phrase(rng, scene)
    x = nouns[0] if rng.random() < 0.5 else nouns[int(rng.integers(len(nouns)))]
    return prompt(PROMPTS[int(rng.integers(len(PROMPTS)))], x)


def prompt(pattern: str, noun: str) -> str:
    """Return a prompt about one noun, as a user of the encoder would write it."""
    tag = "".join(part for part in noun if part.isalnum())
    return pattern.format(x=noun, a=words.counted(noun), tag=tag)


def render(item: Item, size: int) -> Image.Image:
    """Return an item's picture: composed, degraded, RGB, `size` pixels square."""
    rng = np.random.default_rng(item.seed)
    image = _portrait(item, rng, size) if item.portrait else scenes.compose(item.scene, size)
    return photo.degrade(image, rng, item.strength)


def _portrait(item: Item, rng: np.random.Generator, size: int) -> Image.Image:
    """Return the first thing of an item alone, 60 to 92 % of the picture, before a plain wall."""
    side = round(size * rng.uniform(0.6, 0.92))
    thing = pictograms.outline(item.scene.subjects[0], item.scene.artist)
    scale = side / max(thing.size)
    thing = thing.resize([max(1, round(length * scale)) for length in thing.size])
    if item.restyled:
        thing = _restyle(thing, rng)
    wall = np.linspace(1, rng.uniform(0.75, 1.15), size)[:, None, None] * rng.uniform(90, 250, 3)
    image = Image.fromarray(np.broadcast_to(wall.clip(0, 255), (size, size, 3)).astype(np.uint8))
    corner = [round(rng.uniform(0, size - length)) for length in thing.size]
    image.paste(thing, corner, thing.getchannel("A"))
    return image


def _restyle(thing: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a drawing as another hand might colour it: without dark outlines, hues turned.

    A maximum filter lets the bright areas grow over thin dark lines.
    """
    pixels = np.array(thing)
    if rng.random() < 0.7:
        reach = round(max(thing.size) * rng.uniform(0.015, 0.035))
        pixels[..., :3] = _grown(pixels[..., :3], reach)
        pixels[..., 3] = ~_grown(~pixels[..., 3], reach)  # what is drawn shrinks
    hue, saturation, value = Image.fromarray(pixels[..., :3]).convert("HSV").split()
    turn, gain = int(rng.normal(0, 10)), rng.uniform(0.7, 1.2)
    hue = hue.point([(level + turn) % 256 for level in range(256)])
    saturation = saturation.point([min(255, round(level * gain)) for level in range(256)])
    colours = Image.merge("HSV", (hue, saturation, value)).convert("RGB")
    return Image.merge("RGBA", (*colours.split(), Image.fromarray(pixels[..., 3])))


def _grown(pixels: np.ndarray, reach: int) -> np.ndarray:
    """Return the largest value within `reach` pixels, edges repeated: Pillow's MaxFilter, faster.

    A square window's maximum is that of its columns' maxima.
    """
    for axis in (0, 1):
        ends = [(reach, reach) if side == axis else (0, 0) for side in range(pixels.ndim)]
        wide = np.swapaxes(np.pad(pixels, ends, mode="edge"), 0, axis)
        rows = pixels.shape[axis]
        shifted = [wide[start : start + rows] for start in range(2 * reach + 1)]
        pixels = np.swapaxes(np.maximum.reduce(shifted), 0, axis)
    return pixels

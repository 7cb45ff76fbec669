"""Scenes: pictograms composed into pictures that a person could have taken.

A scene is a setting, a light and one to four pictograms. Things keep their sizes relative to one
another (a tower over a tree over a person over a dog over a cup, compressed so that all can be
seen), stand on the ground, fly, float or fill the view according to their traits, get smaller
towards the horizon, and cast soft contact shadows.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

from lib.sample import pictograms, scenery
from lib.sample.scenery.paintbox import Rgb

SIZE_EXPONENT = 0.38  # visible height = metres ** this, times the camera's zoom
SMALLEST, TALLEST = 0.15, 0.8  # bounds of a thing's height, fractions of the picture
LARGEST = 60.0  # metres; what is larger looks no larger
WHITE = (255, 255, 255)
OVERLAP = 0.08  # share of a thing that another may hide before a new place is tried


@dataclass(frozen=True)
class Scene:
    """Everything a picture depends on; the same scene always gives the same pixels."""

    subjects: tuple[str, ...]  # emoji, the most prominent first
    setting: str  # a row of data/settings.csv
    artist: str  # one of pictograms.ARTISTS
    seed: int
    light: str = scenery.LAMP
    text: str = ""  # a picture of words shows these, on a card, instead of subjects


@dataclass
class _Item:
    """A pictogram on its way into the picture; lengths in pixels."""

    emoji: str
    artist: str
    kind: str
    height: float
    picture: Image.Image | None = None
    x: float = 0.0  # centre
    base: float = 0.0  # foot


def random_scene(
    rng: np.random.Generator,
    subjects: tuple[str, ...],
    artist: str,
    setting: str | None = None,
    light: str | None = None,
) -> Scene:
    """Return a scene of these subjects, in a setting and light that suit them unless given."""
    setting = setting or str(rng.choice(fitting_settings(tuple(subjects))))
    light = light or str(rng.choice(scenery.lights(setting)))
    return Scene(tuple(subjects), setting, artist, int(rng.integers(2**32)), light)


@lru_cache(maxsize=8192)
def fitting_settings(subjects: tuple[str, ...]) -> tuple[str, ...]:
    """Return the settings that suit the most of the subjects, the first counting double."""
    votes = {}
    for setting, row in scenery.settings().items():
        homes = set(row["habitats"].split())
        found = [bool(homes & set(pictograms.traits(e).habitats)) for e in subjects]
        votes[setting] = 2 * found[0] + sum(found) / len(found) if found[0] else 0
    best = max(votes.values())
    return tuple(setting for setting, vote in votes.items() if vote == best)


def compose(scene: Scene, size: int = 300) -> Image.Image:
    """Return the scene as an RGB picture, `size` pixels square."""
    rng = np.random.default_rng(scene.seed)
    traits = [pictograms.traits(emoji) for emoji in scene.subjects]
    backdrop = scenery.paint(scene.setting, scene.light, rng, size)
    image = backdrop.image
    if scene.text:
        _placard(image, scene.text, rng)
        return image
    items = _sized(scene, traits, rng, size)
    if items[0].kind == "vista":
        _vista(image, scene, rng, backdrop.horizon, backdrop.tint)
        items = items[1:]
    placed: list[_Item] = []
    for item in items:
        _place(item, rng, size, backdrop.horizon, placed)
        placed.append(item)
    depth = {"sky": 0, "flyer": 1}
    for item in sorted(placed, key=lambda i: (depth.get(i.kind, 2), i.base)):
        _paste(image, item, backdrop.tint, size)
    return image


def _sized(
    scene: Scene, traits: list[pictograms.Traits], rng: np.random.Generator, size: int
) -> list[_Item]:
    """Return the items with their heights: the camera frames the largest of the subjects."""
    visible = [min(trait.metres, LARGEST) ** SIZE_EXPONENT for trait in traits]
    framed = [v for v, t in zip(visible, traits, strict=True) if t.kind != "sky"]
    crowd = sum(framed) / max(framed, default=1.0)  # 1 = one thing stands out, n = n alike
    zoom = rng.uniform(0.5, 0.72) / max(framed, default=1.0) / max(1.0, crowd) ** 0.35
    items = []
    for rank, (emoji, trait, tall) in enumerate(zip(scene.subjects, traits, visible, strict=True)):
        kind = trait.kind
        height = zoom * tall * rng.uniform(0.9, 1.1)
        kind = "sign" if kind == "vista" and rank else kind
        if kind == "sky":
            height = rng.uniform(0.2, 0.34) * (1.5 if rank == 0 else 1)
        elif kind == "flyer":
            height = min(height, rng.uniform(0.24, 0.36) * (1.4 if rank == 0 else 1))
        elif kind in ("bust", "face"):
            height = rng.uniform(0.34, 0.5) if rank == 0 else rng.uniform(0.22, 0.3)
        elif kind == "sign":
            height = rng.uniform(0.34, 0.5) if rank == 0 else rng.uniform(0.18, 0.28)
        elif rank == 0:
            height = max(height, 0.32)
        items.append(
            _Item(emoji, scene.artist, kind, float(np.clip(height, SMALLEST, TALLEST)) * size)
        )
    return items


def _place(
    item: _Item, rng: np.random.Generator, size: int, horizon: float, placed: list[_Item]
) -> None:
    """Give an item its picture and its place, trying a few times to hide nothing."""
    best, first = None, not placed
    for attempt in range(18):
        if attempt % 6 == 5:  # no room at this size: step back
            item.height *= 0.85
        trial = _spot(item, rng, size, horizon, first)
        hidden = max((_hidden(trial, other) for other in placed), default=0.0)
        if best is None or hidden < best[0]:
            best = (hidden, trial)
        if hidden <= OVERLAP:
            break
    item.x, item.base, item.height, wide = best[1]
    flip = rng.random() < 0.5 and pictograms.may_flip(item.emoji)
    item.picture = _drawing(item, wide, flip)


def _spot(
    item: _Item, rng: np.random.Generator, size: int, horizon: float, first: bool
) -> tuple[float, float, float, float]:
    """Return a trial place: centre x, foot y, height and width, px."""
    level, height = horizon * size, item.height
    drawing = pictograms.outline(item.emoji, item.artist)
    ratio = drawing.width / drawing.height
    spread = 0.2 if first else 0.47
    if item.kind == "sky":
        base = rng.uniform(0.02, 0.16) * size + height
    elif item.kind == "flyer":
        base = rng.uniform(0.05, max(0.06, horizon - 0.32)) * size + height
    elif item.kind == "bust":
        base = size * rng.uniform(1.0, 1.04)
    else:
        room = size - level
        near = rng.uniform(0.08, 0.5) if first else rng.uniform(0.2, 0.9)
        base = level + near * room
        height *= 0.82 + 0.36 * near
    height = min(height, base - 0.02 * size)
    wide = height * ratio
    if ratio > 1:  # a wide thing is as large as a square one of the same area
        height, wide = height / ratio**0.5, wide / ratio**0.5
    if wide > 0.9 * size:
        height, wide = height * 0.9 * size / wide, 0.9 * size
    margin = max(0.0, min(spread, 0.5 - wide / size / 2 + (0.0 if first else 0.03)))
    x = size * (0.5 + rng.uniform(-margin, margin))
    return x, base, height, wide


def _hidden(trial: tuple[float, float, float, float], other: _Item) -> float:
    """Return the share of the smaller of two things that they have in common."""
    x, base, height, wide = trial
    across = min(x + wide / 2, other.x + other.picture.width / 2) - max(
        x - wide / 2, other.x - other.picture.width / 2
    )
    down = min(base, other.base) - max(base - height, other.base - other.height)
    area = min(wide * height, other.picture.width * other.height)
    return max(across, 0) * max(down, 0) / area


def _drawing(item: _Item, wide: float, flip: bool) -> Image.Image:
    """Return the picture of an item, within height x wide px; signs are put on a card."""
    longest = max(8, round(max(item.height, wide)))
    picture = pictograms.draw(item.emoji, item.artist, longest)
    if item.kind == "sign":
        return _card(picture)
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else picture


def _card(picture: Image.Image) -> Image.Image:
    """Return a symbol on a white board with rounded corners, the size it had without."""
    wide, high = picture.size
    border = max(3, round(0.14 * max(wide, high)))
    board = Image.new("RGBA", (wide + 2 * border, high + 2 * border))
    box = (0, 0, board.width - 1, board.height - 1)
    paper, rim = (250, 248, 242, 255), (120, 116, 110, 255)
    ImageDraw.Draw(board).rounded_rectangle(box, border, paper, rim, max(1, border // 5))
    board.alpha_composite(picture, (border, border))
    scale = max(wide, high) / max(board.size)
    return board.resize((round(board.width * scale), round(board.height * scale)))


def _paste(image: Image.Image, item: _Item, tint: Rgb, size: int) -> None:
    """Paste an item with its shadow, lit by the light of the place, in place."""
    picture = item.picture
    left, top = round(item.x - picture.width / 2), round(item.base - picture.height)
    if item.kind in ("thing", "person", "face", "sign"):
        wide, high = round(picture.width * 1.12), max(4, round(picture.width * 0.13))
        shadow = _shadow().resize((wide, high), Image.Resampling.BILINEAR)
        image.paste(
            (12, 14, 22), (round(item.x - wide / 2), round(item.base - high * 0.62)), shadow
        )
    image.paste(_lit(picture, tint), (left, top), picture)
    if item.kind == "water":
        _waterline(image, item)


def _waterline(image: Image.Image, item: _Item) -> None:
    """Let water lap at the foot of a floating thing, in place."""
    wide, high = round(item.picture.width * 1.15), max(5, round(item.picture.height * 0.13))
    foam = _shadow().resize((wide, high), Image.Resampling.BILINEAR)
    spot = (round(item.x - wide / 2), round(item.base - high * 0.55))
    image.paste((208, 232, 242), spot, foam)


def _vista(
    image: Image.Image, scene: Scene, rng: np.random.Generator, horizon: float, tint: Rgb
) -> None:
    """Fill the picture with a view that is drawn edge to edge, its frame cut off, in place.

    At times the ground of the setting stays in front of it, for things to stand on.
    """
    size = image.width
    drawing = pictograms.outline(scene.subjects[0], scene.artist)
    flat = Image.new(
        "RGB", drawing.size, drawing.getpixel((drawing.width // 2, drawing.height // 6))[:3]
    )
    flat.paste(drawing, (0, 0), drawing)
    side = min(flat.size) * rng.uniform(0.84, 0.9)
    left, top = rng.uniform(0.4, 0.6, 2) * (np.array(flat.size) - side)
    high = side if rng.random() < 0.4 else side * min(1.0, horizon + 0.16)
    level = round(size * high / side)
    cut = 0.4 * (side - high)  # the rest is squeezed, as a view from further off
    box = (left, top + cut, left + side, top + side)
    view = flat.resize((size, level), Image.Resampling.BICUBIC, box=box)
    if rng.random() < 0.5:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image.paste(_lit(view, tint), (0, 0))


def _placard(image: Image.Image, text: str, rng: np.random.Generator) -> None:
    """Hang a card with words in the middle of a picture, in place."""
    size, dark = image.width, rng.random() < 0.4
    paper, ink = ((34, 36, 44), (250, 246, 236)) if dark else ((250, 248, 240), (30, 32, 40))
    wide, high = rng.uniform(0.66, 0.86) * size, rng.uniform(0.4, 0.62) * size
    left, top = (size - wide) / 2, rng.uniform(0.1, 0.2) * size
    draw = ImageDraw.Draw(image)
    draw.rectangle((left + 4, top + 5, left + wide + 4, top + high + 5), fill=(60, 56, 54))
    draw.rectangle((left, top, left + wide, top + high), fill=paper)
    font = ImageFont.load_default(size * rng.uniform(0.09, 0.12))
    lines = "\n".join(textwrap.wrap(text, 14))
    middle = (size / 2, top + high / 2)
    draw.multiline_text(middle, lines, fill=ink, font=font, anchor="mm", align="center")


def _lit(picture: Image.Image, tint: Rgb) -> Image.Image:
    """Return an RGB or RGBA picture under a light."""
    if tint == WHITE:
        return picture
    light = tint if picture.mode == "RGB" else (*tint, 255)
    return ImageChops.multiply(picture, Image.new(picture.mode, picture.size, light))


@cache
def _shadow() -> Image.Image:
    """Return the opacity of a soft oval shadow, L, 128x32 px."""
    xs, ys = np.linspace(-1, 1, 128), np.linspace(-1, 1, 32)
    radius = np.hypot(xs[None, :], ys[:, None])
    return Image.fromarray((150 * np.clip(1.1 - radius, 0, 1) ** 1.1).astype(np.uint8), "L")

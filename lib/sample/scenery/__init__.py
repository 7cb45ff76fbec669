"""Scenery: backgrounds that pictograms are set into, painted from two table rows and a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from lib.sample.scenery import indoors, outdoors
from lib.sample.scenery.paintbox import Rgb, table

LAMP = "lamp"  # the light of every setting that is not outdoors


@dataclass(frozen=True)
class Backdrop:
    """A painted background and what the composer must know about it."""

    image: Image.Image  # RGB, size x size
    horizon: float  # fraction of the height where the ground begins
    tint: Rgb  # light falling on things, 255 = unchanged


def settings() -> dict[str, dict[str, str]]:
    """Return the table of settings: name -> kind, habitats, ground, far, lights, words."""
    return table("settings")


def lights(setting: str) -> list[str]:
    """Return the lights that a setting may stand in."""
    return settings()[setting]["lights"].split()


def paint(setting: str, light: str, rng: np.random.Generator, size: int) -> Backdrop:
    """Return the backdrop of a setting in a light, `size` pixels square."""
    row = settings()[setting]
    horizon = rng.uniform(float(row["low"]), float(row["high"]))
    if row["kind"] == "outdoor":
        image, tint = outdoors.paint(row, table("lights")[light], rng, size, horizon)
    elif row["kind"] == "deep":
        image, tint = outdoors.underwater(row, rng, size, horizon)
    else:
        image, tint = indoors.paint(row, rng, size, horizon)
    return Backdrop(image, horizon, tint)

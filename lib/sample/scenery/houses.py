"""Houses: a far skyline and a row of town house fronts."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from lib.sample.scenery.paintbox import WHITE, Rgb, any_hue, blend, jitter, multiply


def skyline(
    image: Image.Image, rng: np.random.Generator, level: int, tone: Rgb, haze: Rgb, dark: bool
) -> None:
    """Paint two rows of towers that end at `level`, in place; at night lit windows."""
    draw = ImageDraw.Draw(image)
    size = image.width
    for layer, mist in enumerate((0.6, 0.25)):
        x = -rng.uniform(0, 0.1) * size
        while x < size:
            wide = rng.uniform(0.06, 0.16) * size
            tall = rng.uniform(0.08, 0.38 - 0.16 * layer) * size
            body = blend(jitter(tone, rng, 0.06), haze, mist)
            draw.rectangle((x, level - tall, x + wide, level), fill=body)
            if rng.random() < 0.2:
                draw.line(
                    (x + wide / 2, level - tall * 1.2, x + wide / 2, level - tall),
                    fill=body,
                    width=2,
                )
            glass = (255, 222, 130) if dark else blend(body, (255, 255, 255), 0.28)
            step = size / 42
            for row in np.arange(level - tall + step / 2, level - step, step):
                for column in np.arange(x + step / 2, x + wide - step / 2, step):
                    if rng.random() < (0.35 if dark else 0.75):
                        draw.rectangle(
                            (column, row, column + step / 2.4, row + step / 2), fill=glass
                        )
            x += wide + rng.uniform(-0.01, 0.03) * size


def facades(image: Image.Image, rng: np.random.Generator, level: int, sun: Rgb, dark: bool) -> None:
    """Paint a row of old town houses that ends at `level`, in place; at night lit windows."""
    size, draw = image.width, ImageDraw.Draw(image)
    x = -rng.uniform(0, 0.12) * size
    while x < size:
        wide, tall = rng.uniform(0.14, 0.24) * size, rng.uniform(0.24, 0.4) * size
        wall = multiply(jitter(any_hue(rng, rng.uniform(0.12, 0.38), 0.9), rng), sun)
        roof, top = multiply((142, 82, 66), sun), level - tall
        draw.rectangle((x, top, x + wide, level), fill=wall)
        peak = top - rng.uniform(0.03, 0.1) * size
        draw.polygon(
            [(x - 2, top), (x + wide + 2, top), (x + wide * 0.72, peak), (x + wide * 0.28, peak)],
            fill=roof,
        )
        count = int(rng.integers(2, 4))
        for row in np.arange(top + 0.03 * size, level - 0.09 * size, 0.075 * size):
            for index in range(count):
                left = x + wide * (index + 0.5) / count - 0.017 * size
                lit = dark and rng.random() < 0.6
                glass = (255, 220, 130) if lit else multiply((120, 150, 180), sun)
                draw.rectangle(
                    (left, row, left + 0.034 * size, row + 0.046 * size),
                    fill=glass,
                    outline=blend(wall, WHITE, 0.5),
                )
        door = x + wide * rng.uniform(0.3, 0.6)
        draw.rectangle(
            (door, level - 0.075 * size, door + 0.045 * size, level),
            fill=multiply((104, 70, 48), sun),
        )
        if rng.random() < 0.4:
            awning = multiply(any_hue(rng, 0.6, 0.85), sun)
            draw.rectangle(
                (x + 4, level - 0.1 * size, x + wide - 4, level - 0.075 * size), fill=awning
            )
        x += wide

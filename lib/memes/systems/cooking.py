"""Feature blocks of the heads: raw, and cooked by auto-encoders that are trained once a draw.

Auto-encoders see the unlabelled rows of the draw and no label, so all systems and seeds of a draw
share them: the paper's seed, 42, trains them, whatever the seed of the head.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib.memes.draws import Draw
from lib.memes.nets.autoencoder import CromAE, Linear, cook, fit_pair, ridge
from lib.memes.systems.inputs import Inputs
from lib.memes.systems.settings import Settings

Translator = CromAE | Linear  # picture -> text, or back
RIDGE = ("ridge", "ridge_residual")
COOKED = ("linear", "activated", "translated", "residual", *RIDGE)


def blocks(names: Sequence[str], inputs: Inputs, draw: Draw, settings: Settings) -> list[Tensor]:
    """Return feature blocks (N, .) float32 of all rows; a cooked name gives picture's and text's.

    Names: image, text, an array of `inputs.extra`, or one of COOKED.
    """
    found: list[Tensor] = []
    for name in names:
        if name in COOKED:
            found += cooked(name, inputs, draw, settings)
        else:
            found.append(raw(name, inputs, settings))
    return found


def raw(name: str, inputs: Inputs, settings: Settings) -> Tensor:
    """Return a block as the encoder gives it (N, d), but for the scale of text features."""
    found = inputs.tensor(name)
    return found * settings.text_scale if name == "text" else found


def _both(inputs: Inputs, settings: Settings) -> tuple[Tensor, Tensor]:
    return raw("image", inputs, settings), raw("text", inputs, settings)


def cooked(name: str, inputs: Inputs, draw: Draw, settings: Settings) -> tuple[Tensor, Tensor]:
    """Return the cooked features of picture and text, (N, .) each, by one of COOKED."""
    key = ("cooked", name, *_key(draw, settings))
    if key not in inputs.memo:
        image, text = _both(inputs, settings)
        if name in RIDGE:
            of_image, of_text = ridges(inputs, draw, settings)
            foretold = of_text(text), of_image(image)  # of the picture, of the text
            left = text - foretold[1], image - foretold[0]
            inputs.memo[key] = left if name == "ridge_residual" else foretold[::-1]
        else:
            inputs.memo[key] = cook(autoencoders(inputs, draw, settings), image, text, name)
    return inputs.memo[key]


def autoencoders(inputs: Inputs, draw: Draw, settings: Settings) -> tuple[CromAE, CromAE]:
    """Return AE_image and AE_text of a draw, trained at the first call."""
    key = ("autoencoders", *_key(draw, settings))
    if key not in inputs.memo:
        image, text = (one[draw.unlabelled] for one in _both(inputs, settings))
        inputs.memo[key] = fit_pair(image, text, settings.autoencoder)
    return inputs.memo[key]


def ridges(inputs: Inputs, draw: Draw, settings: Settings) -> tuple[Linear, Linear]:
    """Return the closed-form maps of the same rows: picture -> text, text -> picture."""
    image, text = (one[draw.unlabelled] for one in _both(inputs, settings))
    penalty = settings.ridge_penalty
    return ridge(image, text, penalty), ridge(text, image, penalty)


def errors(inputs: Inputs, draw: Draw, settings: Settings) -> pd.DataFrame:
    """Return the mean squared error of auto-encoder, ridge and mean, a row each way and split.

    Columns: direction, map (auto-encoder, ridge, mean), split (unlabelled, validation, test), mse
    in squared feature units. The mean foretells every row alike: what is gained is over it.
    """
    pairs = {"image -> text": ("image", "text"), "text -> image": ("text", "image")}
    trained, closed = autoencoders(inputs, draw, settings), ridges(inputs, draw, settings)
    parts = {"unlabelled": draw.unlabelled, "validation": inputs.validation}
    parts["test"] = inputs.rows("test")
    found = []
    for place, (direction, names) in enumerate(pairs.items()):
        source, target = (raw(name, inputs, settings) for name in names)
        mean = target[draw.unlabelled].mean(0)
        maps = {"auto-encoder": trained[place], "ridge": closed[place], "mean": lambda x, m=mean: m}
        for name, translate in maps.items():
            for part, rows in parts.items():
                with torch.no_grad():
                    error = (translate(source[rows]) - target[rows]).square().mean().item()
                found.append({"direction": direction, "map": name, "split": part, "mse": error})
    return pd.DataFrame(found)


def _key(draw: Draw, settings: Settings) -> tuple:
    rows = np.concatenate([draw.labelled, [-1], draw.unlabelled])
    made = (settings.autoencoder, settings.ridge_penalty, settings.text_scale)
    return (rows.astype(np.int64).tobytes(), *made)

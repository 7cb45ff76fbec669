"""All systems of the memes study behind one function.

`fit_seeds(SYSTEMS[name], inputs, inputs.draw(ratio), seeds, settings)` trains one system on one
draw with each seed and returns its scores on all rows. Training sees the labels of `draw.labelled`
alone. Labels of validation rows are seen by the history and by nothing else, the last epoch
counting; only TIB-VA, as released, keeps its best epoch by them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from lib.memes.draws import Draw
from lib.memes.systems.inputs import Fitted, Inputs, build
from lib.memes.systems.registry import SYSTEMS, System, gamma_sweep
from lib.memes.systems.settings import Settings

__all__ = [
    "SYSTEMS", "Fitted", "Inputs", "Settings", "System", "build", "fit_seeds", "gamma_sweep",
]  # fmt: skip
STACKED = {
    "head": "lib.memes.systems.heads:fit_seeds",
    "cmml": "lib.memes.rivals.cmml:fit_seeds",
    "ssl": "lib.memes.ssl:fit_seeds",
}  # kinds that train all seeds at once; imported when asked for
SINGLE = {"probe": "lib.memes.systems.probes:fit", "rival": "lib.memes.rivals:fit"}


def fit_seeds(
    system: System, inputs: Inputs, draw: Draw, seeds: Sequence[int], settings: Settings
) -> list[Fitted]:
    """Train a system with each seed, in one go where that is faster (lib.memes.nets.stacking).

    Same arguments and machine, same bytes; a seed's scores are the same, to rounding, whichever
    seeds train beside it. Raises ValueError for a draw with rows that are no training rows, or
    inputs without the features that the system reads.
    """
    for part, rows in draw._asdict().items():
        if (inputs.split[rows] != "train").any():
            raise ValueError(f"draw: {part} rows must be training rows")
    if system.kind in STACKED:
        found = _function(STACKED[system.kind])(system, inputs, draw, seeds, settings)
    else:
        one = _function(SINGLE[system.kind])
        found = [one(system, inputs, draw, seed, settings) for seed in seeds]
    expected = (len(inputs.split), system.outputs)
    for fitted in found:
        if fitted.scores.shape != expected:
            raise ValueError(f"{system.name}: scores {fitted.scores.shape}, expected {expected}")
    return found


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)

"""Heads as systems: RAW-N-COOK, its ablations, codes and losses."""

from __future__ import annotations

from collections.abc import Sequence

from lib.memes.draws import Draw
from lib.memes.nets.head import fit_head
from lib.memes.nets.losses import make_loss
from lib.memes.nets.stacking import parameters_of_one, probabilities
from lib.memes.systems.cooking import blocks
from lib.memes.systems.inputs import Fitted, Inputs, fitted, judge_each
from lib.memes.systems.registry import System
from lib.memes.systems.settings import Settings


def fit_seeds(
    system: System, inputs: Inputs, draw: Draw, seeds: Sequence[int], settings: Settings
) -> list[Fitted]:
    """Train a head a seed on the labelled rows; see lib.memes.systems.fit_seeds."""
    features = blocks(system.features, inputs, draw, settings)
    targets = inputs.known(draw, system.outputs)
    focal_gamma = None if system.focal_gamma < 0 else system.focal_gamma
    held = [one[inputs.validation] for one in features]
    judged: list[list[dict[str, float]]] = []
    head, losses = fit_head(
        [one[draw.labelled] for one in features],
        targets,
        make_loss(system.loss, targets, focal_gamma),
        settings.head_of(draw, system.step_gamma),
        seeds,
        lambda epoch, head: judged.append(judge_each(inputs, probabilities(head, held))),
    )
    return fitted(probabilities(head, features), losses, judged, parameters_of_one(head))

"""Weight interpolation: WiSE-FT, per tower, per depth and soups are choices of one function.

    theta(alpha) = (1 - alpha) theta_0 + alpha theta_1,    alpha = alpha_of(name of the tensor)

theta_0 is the zero-shot model, theta_1 the fine-tuned one (Wortsman et al. 2022, eq. 1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

State = Mapping[str, Tensor]
AlphaOf = Callable[[str], float]

IMAGE = ("visual.",)
SCALE = ("logit_scale", "logit_bias")
# A block's number, in open_clip (resblocks), timm (blocks), Hugging Face and ResNet (layer) towers.
BLOCK = re.compile(r"(?:^|\.)(?:resblocks\.|blocks\.|layers?\.|layer)(\d+)\.")
# What comes before the first block; everything else outside the blocks comes after the last.
STEM = re.compile(
    r"embed|conv1\.|conv_stem\.|(?:^|\.)bn1\.|ln_pre\.|attn_mask|token_type|position_ids|patch"
)


def interpolate(theta0: State, theta1: State, alpha_of: AlphaOf) -> dict[str, Tensor]:
    """Return (1 - alpha) theta0 + alpha theta1, alpha chosen tensor by tensor.

    Computed in float32 at least and returned in theta0's types; alpha 0 and 1 give the ends bit
    for bit. A buffer that is not floating point (a counter, a mask) comes from the nearer end.
    The result shares no memory with the ends. Raises ValueError on states that do not match.
    """
    _check((("theta0", theta0), ("theta1", theta1)))
    return {name: _mix(value, theta1[name], alpha_of(name)) for name, value in theta0.items()}


def _mix(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    if not a.is_floating_point() or alpha in (0, 1):
        return (b if alpha >= 0.5 else a).detach().to(a.dtype).clone()
    wide = torch.promote_types(a.dtype, torch.float32)
    return ((1 - alpha) * a.detach().to(wide) + alpha * b.detach().to(wide)).to(a.dtype)


def wise_ft(alpha: float) -> AlphaOf:
    """One alpha for every tensor."""
    return lambda name: alpha


def per_tower(image: float, text: float, scale: float | None = None) -> AlphaOf:
    """One alpha a tower; `scale`: of the temperature, which both share (None: the mean)."""
    shared = (image + text) / 2 if scale is None else scale

    def alpha_of(name: str) -> float:
        if name.startswith(SCALE):
            return shared
        return image if name.startswith(IMAGE) else text

    return alpha_of


def lines(alpha: float, beta: float, names: Iterable[str]) -> AlphaOf:
    """LiNeS: alpha + beta (l - 1) / (L - 1), growing with the depth l of L (Wang et al. 2025).

    A depth is a block of its tower; the embedding counts as the first, the projection and what
    else follows the blocks as the last. `names`: all names of the state, from which each tower's
    L is read. alpha 0, beta 1 keeps the first layers as they were and the last fine-tuned.
    """
    found = relative_depths(names)
    return lambda name: alpha + beta * found[name]


def relative_depths(names: Iterable[str]) -> dict[str, float]:
    """Return (l - 1) / (L - 1) of every tensor: 0 at a tower's first block, 1 at its last.

    The temperature, which belongs to no tower, counts as last. Where fewer than two blocks are
    named (only the last layers were trained), a tower's modules count instead, in their order.
    """
    names = list(names)
    return {
        name: depth
        for part in (
            [name for name in names if name.startswith(IMAGE)],
            [name for name in names if not name.startswith((*IMAGE, *SCALE))],
        )
        for name, depth in _depths(part).items()
    } | {name: 1.0 for name in names if name.startswith(SCALE)}


def _depths(names: list[str]) -> dict[str, float]:
    """Return the relative depths of one tower's tensors."""
    blocks = {name: int(found[1]) for name in names if (found := BLOCK.search(name))}
    order = sorted(set(blocks.values()))
    if len(order) > 1:
        return {
            name: order.index(blocks[name]) / (len(order) - 1)
            if name in blocks
            else 0.0 if STEM.search(name) else 1.0
            for name in names
        }  # fmt: skip
    modules = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    last = max(1, len(modules) - 1)
    single = len(modules) == 1
    return {
        name: 1.0 if single else modules.index(name.rpartition(".")[0]) / last for name in names
    }


def average(states: Sequence[State]) -> dict[str, Tensor]:
    """Return the mean of several states (a uniform soup); buffers that count come from the first.

    Raises ValueError for no state, or states that do not match.
    """
    if not states:
        raise ValueError("average: no state given")
    _check([(f"state {i}", state) for i, state in enumerate(states)])
    out = {}
    for name, first in states[0].items():
        if not first.is_floating_point():
            out[name] = first.detach().clone()
            continue
        wide = torch.promote_types(first.dtype, torch.float32)
        total = torch.zeros_like(first, dtype=wide)
        for state in states:
            total += state[name].detach().to(wide)
        out[name] = (total / len(states)).to(first.dtype)
    return out


@dataclass(frozen=True)
class Soup:
    """A greedy soup: its weights, the ingredients kept, and every trial in order.

    trials: (name, held-out score of the soup with it, kept) for each ingredient.
    """

    state: dict[str, Tensor]
    kept: tuple[str, ...]
    trials: tuple[tuple[str, float, bool], ...]


def greedy_soup(candidates: Mapping[str, State], score: Callable[[State], float]) -> Soup:
    """Return a greedy soup (Wortsman et al. 2022, recipe 1).

    `score`: held-out score of a state, higher is better. Best candidate first, equal ones in the
    order given; each next one is kept if the soup's score does not fall.
    """
    if not candidates:
        raise ValueError("greedy_soup: no candidate given")
    alone = {name: float(score(state)) for name, state in candidates.items()}
    order = sorted(alone, key=lambda name: -alone[name])
    kept, best = [order[0]], alone[order[0]]
    trials = [(order[0], best, True)]
    for name in order[1:]:
        value = float(score(average([candidates[n] for n in (*kept, name)])))
        keep = value >= best
        trials.append((name, value, keep))
        if keep:
            kept.append(name)
            best = value
    return Soup(average([candidates[n] for n in kept]), tuple(kept), tuple(trials))


def _check(named: Sequence[tuple[str, State]]) -> None:
    """Raise ValueError, one line, unless all states have the same names and shapes."""
    (first, a), *others = named
    for other, b in others:
        for mine, theirs, x, y in ((first, other, a, b), (other, first, b, a)):
            missing = [name for name in x if name not in y]
            if missing:
                more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
                raise ValueError(f"{theirs}: no tensor {missing[0]!r}{more}, which {mine} has")
        for name in a:
            if a[name].shape != b[name].shape:
                raise ValueError(
                    f"{other}: {name!r} has shape {tuple(b[name].shape)}, "
                    f"{first} has {tuple(a[name].shape)}"
                )

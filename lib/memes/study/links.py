"""What score a loss asks for when the chance of a label is known: its link, found by search.

For cross-entropy the best score is the chance itself. A loss that asks for scores nearer to the
middle, but for .5 where the chance is .5, gives the same labels at .5 in the limit of many memes;
whatever it gains then, it gains by how it is fitted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from lib.memes.nets.losses import make_loss

LOGITS = torch.linspace(-8, 8, 3201)


def best_scores(
    names: Sequence[str], share: float = 0.2, chances: Sequence[float] | None = None
) -> pd.DataFrame:
    """Best probability by true chance, for losses fitted to one label of this share.

    Returns loss, chance, score; chances default to .02, .04, ..., .98.
    """
    chances = np.linspace(0.02, 0.98, 49) if chances is None else np.asarray(chances)
    seen = (torch.arange(1000) < share * 1000).float()[:, None]
    rows = []
    for name in names:
        loss = make_loss(name, seen)
        one, zero = (
            torch.stack([loss(z.view(1, 1), torch.full((1, 1), y)) for z in LOGITS])
            for y in (1.0, 0.0)
        )
        for chance in chances:
            best = LOGITS[torch.argmin(chance * one + (1 - chance) * zero)]
            score = float(torch.sigmoid(best))
            rows.append({"loss": name, "chance": float(chance), "score": score})
    return pd.DataFrame(rows)

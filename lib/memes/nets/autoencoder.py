"""CROM-AE: an auto-encoder across modalities, one from picture to text and one back.

    AE_image: F_img -> F_txt        AE_text: F_txt -> F_img        (arXiv 2304.00020, its code)
    Z = W1 F + b1                   F' = W2 PReLU(Z) + b2          loss: mean (F' - target)^2

Decisions: it learns from unlabelled memes alone (the released code; one of its notebooks used all
training rows); features are not normalised (the published error of .117 and .171 fits only vectors
as CLIP gives them); PReLU has a slope for each of the 768 units; the last epoch counts (early
stopping is off as released).

The code Z that the paper cooks with is one linear map of F, so it holds nothing that F does not.
`ridge`, the best linear map from F to the target in closed form, is the baseline that this calls
for; the other codes of `cook` are not linear.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.memes.nets.descent import Descent, descend, seeded

Code = Literal["linear", "activated", "translated", "residual"]


@dataclass(frozen=True)
class CromSettings(Descent):
    """Section of the auto-encoders; the defaults are the released ones."""

    epochs: int = 100
    lr: float = 2e-4
    weight_decay: float = 1e-4
    step_gamma: float = 0.95


class CromAE(nn.Module):
    """Source features (n, s) -> target features (n, t), through a code (n, s)."""

    def __init__(self, source: int = 768, target: int = 768):
        """Random weights, PyTorch's default; 1,181,952 of them at 768 and 768."""
        super().__init__()
        self.encoder = nn.Linear(source, source)
        self.activation = nn.PReLU(source)
        self.decoder = nn.Linear(source, target)

    def forward(self, features: Tensor) -> Tensor:
        """Return the target's features as the source foretells them."""
        return self.decoder(self.activation(self.encoder(features)))


class Linear(NamedTuple):
    """The affine map F -> F @ weight + bias; weight (s, t), bias (t,)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Return the target's features as the source foretells them."""
        return features @ self.weight + self.bias


def fit_autoencoder(
    source: Tensor, target: Tensor, settings: CromSettings = CromSettings()
) -> tuple[CromAE, list[float]]:
    """Train on paired features (n, s), (n, t), float32; return it frozen, with its losses."""
    if len(source) != len(target):
        raise ValueError(f"features: {len(source)} rows of source, {len(target)} of target")
    with seeded(settings.seed):
        model = CromAE(source.shape[1], target.shape[1]).to(source.device)

    def loss_of(rows: Tensor) -> Tensor:  # (1, b): one model
        return F.mse_loss(model(source[rows[0]]), target[rows[0]])[None]

    history = descend(model, loss_of, len(source), settings)
    return model.requires_grad_(False), [epoch[0] for epoch in history]


def fit_pair(
    image: Tensor, text: Tensor, settings: CromSettings = CromSettings()
) -> tuple[CromAE, CromAE]:
    """Train AE_image and AE_text; the second draws from the seed after, for other weights."""
    return (
        fit_autoencoder(image, text, settings)[0],
        fit_autoencoder(text, image, replace(settings, seed=settings.seed + 1))[0],
    )


def ridge(source: Tensor, target: Tensor, penalty: float = 1.0) -> Linear:
    """Return the map that minimises ||F W + b - target||^2 + penalty ||W||^2, b free (float64)."""
    if penalty <= 0:
        raise ValueError(f"penalty: must be positive, got {penalty}")
    x, y = source.double(), target.double()
    x_mean, y_mean = x.mean(0), y.mean(0)
    x = x - x_mean
    gram = x.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    weight = torch.linalg.solve(gram, x.T @ (y - y_mean))
    return Linear(weight.to(source.dtype), (y_mean - x_mean @ weight).to(source.dtype))


@torch.no_grad()
def cook(
    autoencoders: tuple[CromAE, CromAE], image: Tensor, text: Tensor, code: Code = "linear"
) -> tuple[Tensor, Tensor]:
    """Return the cooked features of picture and text, (n, .) each, without gradients.

    linear: Z, the paper's; activated: PReLU(Z); translated: the other modality foretold; residual:
    the other modality minus what was foretold of it, large where picture and text disagree.
    """
    of_image, of_text = autoencoders
    if code == "linear":
        return of_image.encoder(image), of_text.encoder(text)
    if code == "activated":
        return (
            of_image.activation(of_image.encoder(image)),
            of_text.activation(of_text.encoder(text)),
        )
    if code == "translated":
        return of_image(image), of_text(text)
    if code == "residual":
        return text - of_image(image), image - of_text(text)
    raise ValueError(f"code: must be linear, activated, translated or residual, got {code!r}")

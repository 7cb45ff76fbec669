"""Blocks that learn: the part of a tower above its boundary, fed with cached activations."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lib.fnd.towers.image import ImageTower, features_of, load_image
from lib.fnd.towers.text import Pooling, TextTower, load_text, pooled

Towers = Mapping[str, TextTower | ImageTower]


class TextTop(nn.Module):
    """Layers above the boundary of a BERT or RoBERTa: states (n, l, d) or ids (n, l) -> (n, d)."""

    def __init__(self, model: nn.Module, boundary: int, pooling: Pooling):
        """Copies of the learning parts of `model`; TypeError for a model without encoder layers."""
        super().__init__()
        if not hasattr(model, "encoder") or not hasattr(model, "embeddings"):
            raise TypeError(f"no learning layers are known for a {type(model).__name__}")
        self.embeddings = copy.deepcopy(model.embeddings) if boundary == 0 else None
        self.layers = copy.deepcopy(model.encoder.layer[max(0, boundary - 1) :])
        self.pooling, self.width = pooling, int(model.config.hidden_size)

    def forward(self, states: Tensor, count: Tensor) -> Tensor:
        """Return one vector a row; `count` (n,) tokens are there."""
        if self.embeddings is not None:
            states = self.embeddings(input_ids=states.long())
        places = torch.arange(states.shape[1], device=states.device)
        mask = places[None, :] < count.clamp(min=1)[:, None]
        wide = mask[:, None, None, :].expand(-1, 1, states.shape[1], -1)
        for place, layer in enumerate(self.layers):
            if self.pooling == "cls" and place == len(self.layers) - 1:
                return first_token(layer, states, wide[:, :, :1])
            states = layer(states, wide)
        return pooled(states, mask, self.pooling)


def first_token(layer: nn.Module, states: Tensor, mask: Tensor) -> Tensor:
    """Return a BERT layer's output (n, d) at the first token alone, of states (n, l, d).

    The last layer's other outputs are never read where the first token is the article's vector, so
    queries and feed-forward run for it only: a fifth of the work. `mask` (n, 1, 1, l).
    """
    attention = layer.attention.self
    heads, first = attention.num_attention_heads, states[:, :1]

    def split(x: Tensor) -> Tensor:
        return x.view(len(x), x.shape[1], heads, -1).transpose(1, 2)

    query = split(attention.query(first))
    key, value = split(attention.key(states)), split(attention.value(states))
    drop = attention.dropout.p if layer.training else 0.0
    context = nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, dropout_p=drop
    )
    joined = context.transpose(1, 2).flatten(2)
    attended = layer.attention.output(joined, first)
    return layer.output(layer.intermediate(attended), attended)[:, 0]


class ImageTop(nn.Module):
    """Stages above the boundary: activations (n, c, h, w), or pixels, -> (n, d).

    Batch norms keep their statistics (evaluation mode): a small batch would spoil them.
    """

    def __init__(self, stages: nn.ModuleList, width: int):
        """Copies of the learning stages."""
        super().__init__()
        self.stages = copy.deepcopy(stages)
        self.width = width

    def forward(self, states: Tensor, count: Tensor | None = None) -> Tensor:
        """Return one vector a row."""
        return features_of(self.stages, states.contiguous(memory_format=torch.channels_last))

    def train(self, mode: bool = True) -> ImageTop:
        """Switch to training mode, batch norms excepted."""
        super().train(mode)
        for module in self.stages.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self


def make_tops(
    needs: tuple[str, ...], names: Mapping[str, str], towers: Towers
) -> dict[str, nn.Module]:
    """Return the learning blocks for the arrays <role>_tuned and <role>_image_tuned of `needs`."""
    out: dict[str, nn.Module] = {}
    for array in needs:
        if not array.endswith("_tuned"):
            continue
        settings = towers[names[array.split("_")[0]]]
        if isinstance(settings, TextTower):
            loaded = load_text(settings)
            out[array] = TextTop(loaded.model, settings.boundary, settings.pooling)
        else:
            image = load_image(settings)
            out[array] = ImageTop(
                image.stages[max(0, settings.boundary) :], _width(image.stages, settings)
            )
    return out


def _width(stages: nn.ModuleList, settings: ImageTower) -> int:
    """Return the width of an image tower's features, measured on an empty picture."""
    with torch.inference_mode():
        return int(features_of(stages, torch.zeros(1, 3, settings.size, settings.size)).shape[1])

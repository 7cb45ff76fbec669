"""A frozen boundary: an open_clip model cut into a bottom that never changes and a top that learns.

The bottom's activations are constants, so they are computed once, cached as float16, and training
runs the top alone: the same towers, the same loop. A boundary at zero makes the bottom empty: the
cache then holds pixels and token ids, and all weights learn (full fine-tuning).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer, text_global_pool
from torch.nn.utils.fusion import fuse_conv_bn_weights

Stage = tuple[Callable[..., torch.Tensor], list[torch.nn.Module | torch.nn.Parameter]]


class Split(torch.nn.Module):
    """`model` with its first stages frozen; `encode_image` and `encode_text` take cached inputs.

    Boundaries count frozen stages from the input: see `image_stages`, `text_stages`. Weights are
    the model's own and keep their names there (`model.visual…`); training the top trains `model`.
    """

    def __init__(self, model: torch.nn.Module, image_boundary: int, text_boundary: int):
        """Freeze the bottom of `model`; ValueError for a boundary that the tower has not."""
        super().__init__()
        self.model = model
        self._image = image_stages(model.visual)
        self._text = text_stages(model)
        for stages, boundary, tower in (
            (self._image, image_boundary, "image"),
            (self._text, text_boundary, "text"),
        ):
            if not 0 <= boundary <= len(stages):
                raise ValueError(f"{tower}_boundary: must be in 0..{len(stages)}, got {boundary}")
            for _, parts in stages[:boundary]:
                for part in parts:
                    part.requires_grad_(False)
        self._image_boundary, self._text_boundary = image_boundary, text_boundary

    @property
    def logit_scale(self) -> torch.nn.Parameter:
        """The model's temperature, as the training loop expects it."""
        return self.model.logit_scale

    def image_bottom(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return the frozen part of the image tower: pixels (n, 3, h, w) -> activations."""
        return image_bottom(self.model.visual, self._image_boundary)

    def text_bottom(self) -> Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
        """Return the frozen part of the text tower: ids (n, l) -> (activations, ids)."""
        return lambda ids: (_chain(self._text[: self._text_boundary], ids, ids), ids)

    def encode_image(self, cached: torch.Tensor) -> torch.Tensor:
        """Return image features (n, d) of cached activations, not normalised."""
        return _chain(self._image[self._image_boundary :], self._like(cached))

    def encode_text(self, cached: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Return text features (n, d) of cached (activations, ids), not normalised."""
        hidden, ids = cached
        return _chain(self._text[self._text_boundary :], self._like(hidden), ids)

    def _like(self, cached: torch.Tensor) -> torch.Tensor:
        """Return float16 activations in the model's own type; token ids stay as they are."""
        return cached.to(self.logit_scale.dtype) if cached.is_floating_point() else cached


def image_bottom(visual: torch.nn.Module, boundary: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the first `boundary` stages of an image tower as a function of pixels.

    A convolutional bottom runs folded (see `folded`).
    """
    stages = image_stages(_folded_tower(visual) if boundary else visual)[:boundary]
    return lambda x: _chain(stages, x.contiguous(memory_format=torch.channels_last))


def folded(model: torch.nn.Module) -> torch.nn.Module:
    """Return the model for inference; a convolutional image tower is replaced by a faster copy.

    Its batch norms are folded into the convolutions and it runs channels last: half the time or
    less on a CPU, equal to rounding. All other parts are shared; other towers stay as they are.
    """
    tower = _folded_tower(model.visual)
    if tower is model.visual:
        return model
    out = copy.copy(model)
    out._modules = dict(model._modules)
    out.visual = tower
    return out


def _folded_tower(visual: torch.nn.Module) -> torch.nn.Module:
    """Return a folded copy of a float32 timm tower; any other tower itself."""
    if not isinstance(visual, TimmModel) or next(visual.parameters()).dtype != torch.float32:
        return visual
    visual = copy.deepcopy(visual).eval().to(memory_format=torch.channels_last)
    fold_batch_norms(visual.trunk)
    return visual


def _chain(stages: list[Stage], x: torch.Tensor, *context: torch.Tensor) -> torch.Tensor:
    """Run stages one after the other."""
    for run, _ in stages:
        x = run(x, *context)
    return x


def image_stages(visual: torch.nn.Module) -> list[Stage]:
    """Return an image tower as stages: stem, blocks, (pool), head: timm EfficientNets and ViTs."""
    if isinstance(visual, TimmModel):
        trunk = visual.trunk
        blocks = [block for stage in trunk.blocks for block in stage]
        return [
            (lambda x: trunk.bn1(trunk.conv_stem(x)), [trunk.conv_stem, trunk.bn1]),
            *((block, [block]) for block in blocks),
            (lambda x: trunk.bn2(trunk.conv_head(x)), [trunk.conv_head, trunk.bn2]),
            (trunk.forward_head, [trunk.global_pool]),
            (visual.head, [visual.head]),
        ]
    if isinstance(visual, VisionTransformer):
        stem = [visual.conv1, visual.class_embedding, visual.positional_embedding, visual.ln_pre]
        ends = [visual.ln_post, *([visual.proj] if visual.proj is not None else [])]
        return [
            (visual._embeds, stem),
            *((block, [block]) for block in visual.transformer.resblocks),
            (lambda x: _project(visual._pool(x)[0], visual.proj), ends),
        ]
    raise TypeError(f"no stages are known for an image tower of type {type(visual).__name__}")


def text_stages(model: torch.nn.Module) -> list[Stage]:
    """Return a text tower as stages: embeddings, layers, (pool), head: BERTs and CLIP's own."""
    tower = getattr(model, "text", model)
    if isinstance(tower, HFTextEncoder):
        bert = tower.transformer
        return [
            (lambda ids, _: bert.embeddings(input_ids=ids), [bert.embeddings]),
            *(
                (_bert_layer(layer, tower.config.pad_token_id), [layer])
                for layer in bert.encoder.layer
            ),
            (lambda x, ids: _mean(x, ids != tower.config.pad_token_id), []),
            (lambda x, _: tower.proj(x), [tower.proj]),
        ]
    ends = [tower.ln_final, *([tower.text_projection] if tower.text_projection is not None else [])]
    return [
        (
            lambda ids, _: tower.token_embedding(ids) + tower.positional_embedding[: ids.shape[1]],
            [tower.token_embedding, tower.positional_embedding],
        ),
        *(
            (lambda x, _, block=block: block(x, attn_mask=tower.attn_mask), [block])
            for block in tower.transformer.resblocks
        ),
        (lambda x, ids: _pool_text(tower, x, ids), ends),
    ]


def _bert_layer(layer: torch.nn.Module, pad: int) -> Callable[..., torch.Tensor]:
    """Return one BERT layer as a function of hidden states and ids, padding masked."""

    def run(x: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        mask = (ids != pad)[:, None, None, :].expand(-1, 1, ids.shape[1], -1)
        return layer(x, mask)

    return run


def _mean(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean over tokens that are not padding, as open_clip's mean_pooler does."""
    return (x * mask.unsqueeze(-1)).sum(1) / mask.sum(-1, keepdim=True)


def _pool_text(tower: Any, x: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Return the pooled, projected output of CLIP's own text tower."""
    kind = getattr(tower, "text_pool_type", None) or tower.pool_type
    pooled = text_global_pool(tower.ln_final(x), ids, kind)
    return _project(pooled, tower.text_projection)


def _project(x: torch.Tensor, projection: Any) -> torch.Tensor:
    """Return x through a projection: a module, a matrix, or none."""
    if projection is None:
        return x
    return projection(x) if isinstance(projection, torch.nn.Module) else x @ projection


def fold_batch_norms(module: torch.nn.Module) -> None:
    """Fold each batch norm of a timm module into the convolution before it, in place.

    Only for evaluation. timm's norms also hold the activation that follows; it stays.
    """
    before = None
    for name, child in list(module.named_children()):
        if isinstance(child, torch.nn.Conv2d):
            before = child
        elif isinstance(child, torch.nn.BatchNorm2d) and before is not None:
            before.weight, before.bias = fuse_conv_bn_weights(
                before.weight, before.bias, child.running_mean, child.running_var,
                child.eps, child.weight, child.bias,
            )  # fmt: skip
            setattr(module, name, getattr(child, "act", torch.nn.Identity()))
            before = None
        else:
            fold_batch_norms(child)

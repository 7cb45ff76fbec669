"""Regions of a picture as a torchvision detector sees them: box features, best boxes first.

torchvision's detectors trained on COCO give 1024 numbers a box, what VisualBERT's nlvr2 checkpoint
wants. LXMERT wants 2048 of a detector trained on Visual Genome, whose code is gone from
transformers: 1024 numbers through a learned adapter are the nearest there is, and off its domain.
"""

from __future__ import annotations

from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor
from torchvision.models import detection
from torchvision.ops import batched_nms

from lib.checkpoints import state_digest
from lib.memes.rivals.features import FeatureError
from lib.memes.rivals.features.towers import Tower, check_device

OVERLAP = 0.5  # share of two boxes' union above which the weaker of a class is left out


def detector(name: str, count: int, device: str) -> Tower:
    """Return a detector: picture (3, h, w) uint8 -> what `regions_of` returns."""
    check_device(device)
    maker = getattr(detection, name, None)
    if maker is None or not name.startswith(("fasterrcnn", "maskrcnn")):
        raise FeatureError(f"detector: {name!r} is no box detector of torchvision")
    try:
        model = maker(weights="DEFAULT")
    except (URLError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FeatureError(f"detector: {name!r}: its weights cannot be had ({reason})") from None
    model = model.to(device).eval()
    info = {"name": name, "weights_sha256": state_digest(model)}
    return Tower(lambda picture: regions_of(model, picture.to(device), count), info)


@torch.inference_mode()
def regions_of(model: Any, picture: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return features (count, d), boxes (count, 4) and mask (count,) of one picture (3, h, w).

    Boxes are proposals, not detections, so that a picture without a COCO object has regions too;
    they are ranked by their most probable object and thinned class by class. Corners are shares of
    the picture, 0 to 1: LXMERT was trained on such.
    """
    images, _ = model.transform([picture.float() / 255])
    maps = model.backbone(images.tensors)
    proposals, _ = model.rpn(images, maps)
    pooled = model.roi_heads.box_roi_pool(maps, proposals, images.image_sizes)
    features = model.roi_heads.box_head(pooled)
    classes, _ = model.roi_heads.box_predictor(features)
    best, kind = classes.softmax(1)[:, 1:].max(1)  # class 0 is background
    kept = batched_nms(proposals[0], best, kind, OVERLAP)[:count]
    tall, wide = images.image_sizes[0]
    scale = torch.tensor([wide, tall, wide, tall], device=picture.device)
    out = features.new_zeros(count, features.shape[1])
    boxes, mask = features.new_zeros(count, 4), features.new_zeros(count, dtype=torch.uint8)
    found = len(kept)
    out[:found], boxes[:found] = features[kept], (proposals[0][kept] / scale).clamp(0, 1)
    mask[:found] = 1
    return out.cpu(), boxes.cpu(), mask.cpu()

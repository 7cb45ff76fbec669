"""Mean teacher (Tarvainen and Valpola 2017): agree with the running mean of one's own weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from lib.memes.nets.head import RawNCook
from lib.memes.ssl.pseudo_label import guess
from lib.memes.ssl.views import Block, Views
from lib.memes.systems.settings import SslSettings


class MeanTeacher:
    """Squared difference of the probabilities of pupil and teacher, each on a view of its own."""

    def __init__(self, head: RawNCook, views: Views, settings: SslSettings):
        """Start with a teacher equal to the pupil."""
        self.head, self.views, self.settings = head, views, settings
        self.teacher = copy.deepcopy(head).requires_grad_(False).eval()

    @torch.no_grad()
    def follow(self) -> None:
        """Move the teacher's weights towards the pupil's."""
        for old, new in zip(self.teacher.parameters(), self.head.parameters(), strict=True):
            old.lerp_(new, 1 - self.settings.teacher_ema)

    def loss(self, features: Block, progress: float) -> Tensor:
        """Return the loss (K,) of unlabelled rows; it rises over the first steps."""
        self.follow()
        target = guess(self.teacher, self.views.weak(features))
        found = torch.sigmoid(self.head(self.views.weak(features)))
        rising = min(1.0, progress / self.settings.warm_up) if self.settings.warm_up else 1.0
        return self.settings.teacher_weight * rising * (found - target).square().mean((-2, -1))

    def model(self) -> RawNCook:
        """Return the model that predicts: the teacher."""
        return self.teacher

"""The two sample encoders: EfficientNet-Lite0 and MiniLM, aligned on composed scenes.

    python -m lib.sample.clip --config params.yaml --out artefacts/sample/models

`sample_clip_l` sees scenes of the first artists only, `sample_clip_h` of both and with heavier
degradation. Both are open_clip `local-dir` models. All weights come from pip packages; nothing is
downloaded. Only the projections and the last blocks learn, from activations cached at a frozen
boundary, so a CPU does it in about a minute each.
"""

from dataclasses import dataclass, field

from lib.training import TrainSettings


@dataclass(frozen=True)
class ClipSettings:
    """Settings of the stage `sample_clip`."""

    seed: int = 0
    dim: int = 256  # width of the joint space
    image_size: int = 160  # pixels
    scenes: int = 2500  # training pictures by each artist team
    singles: int = 1300  # more of them, each of one concept alone; concepts without a scene too
    held_out: int = 600  # concepts never shown in training
    portraits: float = 0.6  # share of them that show one thing alone, large
    restyled: float = 0.6  # share of the portraits redrawn: outlines off, hues turned
    places: float = 0.15  # share of training scenes that show what a Places205 scene is made of
    dropout: float = 0.5  # share of the activations at the boundary left out of a batch
    strength_l: float = 0.5  # largest degradation of a training picture, 0..1
    strength_h: float = 0.8
    validation: int = 256  # scenes by each team, for early stopping
    gallery: int = 600  # pictures of each recall test
    image_boundary: int = 19  # frozen stages of the image tower, of 20 (lib.boundary)
    text_boundary: int = 8  # frozen stages of the text tower, of 9
    batch: int = 512
    workers: int = 2  # processes that compose scenes
    train: TrainSettings = field(default_factory=TrainSettings)

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        sizes = ("dim", "image_size", "scenes", "singles", "validation", "gallery", "batch")
        for key in (*sizes, "workers"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: must be at least 1, got {getattr(self, key)}")
        for key in ("portraits", "restyled", "places", "dropout", "strength_l", "strength_h"):
            if not 0 <= getattr(self, key) <= 1:
                raise ValueError(f"{key}: must be in 0..1, got {getattr(self, key)}")
        if self.batch > self.scenes:
            raise ValueError(f"batch: must not exceed scenes, got {self.batch} > {self.scenes}")

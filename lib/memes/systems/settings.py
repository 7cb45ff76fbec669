"""Settings of all systems of the memes study: the section `ssl_memes.systems`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lib.memes.draws import Draw
from lib.memes.nets.autoencoder import CromSettings
from lib.memes.nets.descent import Descent
from lib.memes.nets.head import STEP_GAMMA, HeadSettings
from lib.memes.rivals.settings import Rivals


@dataclass(frozen=True)
class CmmlSettings(Descent):
    """CMML as the authors of SemiMemes ran it (lib.memes.rivals.cmml)."""

    weight_decay: float = 1e-4
    hidden: int = 256  # units of a modality
    words_hidden: int = 384  # units between the bag of words and them (CMML-ORIGIN)
    consistency: float = 1.0  # weight of the robust consistency of unlabelled rows
    delta: float = 1.003  # where its Huber loss turns linear; "cita" in the code


@dataclass(frozen=True)
class SslSettings:
    """Semi-supervised methods on features (lib.memes.ssl)."""

    unlabelled_batch: int = 120  # unlabelled rows beside each labelled batch
    noise: float = 0.5  # strong view: deviation of Gaussian noise, in deviations of the feature
    drop: float = 0.3  # strong view: share of features set to their mean
    modality_drop: float = 0.2  # strong view: chance that picture or text is hidden, never both
    mixup: float = 0.2  # strong view: largest share of another row's features mixed in
    weak_noise: float = 0.05  # weak view: as `noise`
    threshold: float = 0.95  # surest share p, or 1 - p, that makes a pseudo-label
    weight: float = 1.0  # of the loss on unlabelled rows
    warm_up: float = 0.4  # share of steps in which that weight rises to full
    ema: float = 0.999  # memory of FreeMatch's averages, a step
    fairness: float = 0.001  # weight of FreeMatch's entropy term
    teacher_ema: float = 0.99  # memory of the mean teacher's weights, a step
    teacher_weight: float = 50.0  # of its squared difference of probabilities (USB)
    neighbours: int = 10  # of a row in the graph of label propagation
    spread: float = 0.9  # alpha: share that a row takes over from its neighbours

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        for key in ("unlabelled_batch", "neighbours"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: must be at least 1, got {getattr(self, key)}")
        for key in ("drop", "modality_drop", "mixup", "warm_up", "ema", "teacher_ema", "spread"):
            if not 0 <= getattr(self, key) < 1:
                raise ValueError(f"{key}: must be in [0, 1), got {getattr(self, key)}")
        if not 0.5 <= self.threshold < 1:
            raise ValueError(f"threshold: must be in [0.5, 1), got {self.threshold}")
        for key in ("noise", "weak_noise", "weight", "fairness", "teacher_weight"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key}: must be 0 or more, got {getattr(self, key)}")


@dataclass(frozen=True)
class ProbeSettings:
    """Probes on standardised features (lib.memes.systems.probes)."""

    linear_c: float = 0.001  # inverse strength of the L2 penalty
    svm_c: float = 1.0  # inverse strength of the SVM's penalty
    neighbours: int = 15  # of kNN, by cosine

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        for key in ("linear_c", "svm_c", "neighbours"):
            if getattr(self, key) <= 0:
                raise ValueError(f"{key}: must be positive, got {getattr(self, key)}")


@dataclass(frozen=True)
class Settings:
    """Section `ssl_memes.systems`; the defaults are the released ones."""

    text_scale: float = 1.0  # factor on text features; 1: as the encoder gives them, as released
    autoencoder: CromSettings = CromSettings()
    ridge_penalty: float = 1.0  # of the closed form that stands beside the auto-encoders
    head: HeadSettings = HeadSettings()
    step_gamma: dict[float, float] = field(default_factory=lambda: dict(STEP_GAMMA))  # by ratio
    cmml: CmmlSettings = CmmlSettings()
    ssl: SslSettings = SslSettings()
    probes: ProbeSettings = ProbeSettings()
    rivals: Rivals = Rivals()

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        for key in ("text_scale", "ridge_penalty"):
            if getattr(self, key) <= 0:
                raise ValueError(f"{key}: must be positive, got {getattr(self, key)}")
        if not self.step_gamma:
            raise ValueError("step_gamma: one share of labels is needed")
        for ratio, gamma in self.step_gamma.items():
            if not (0 < ratio < 1 and 0 < gamma <= 1):
                raise ValueError(f"step_gamma: {ratio:g}: {gamma:g} is no share and factor")

    def gamma(self, draw: Draw) -> float:
        """Step gamma of the share of labels nearest to the draw's."""
        share = len(draw.labelled) / (len(draw.labelled) + len(draw.unlabelled))
        return self.step_gamma[min(self.step_gamma, key=lambda ratio: abs(ratio - share))]

    def head_of(self, draw: Draw, step_gamma: float = 0.0) -> HeadSettings:
        """Settings of a head on this draw; `step_gamma` 0: the draw's."""
        return replace(self.head, step_gamma=step_gamma or self.gamma(draw))

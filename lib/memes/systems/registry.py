"""The table of all systems of the memes study: frozen configurations, in the order of the report.

Decisions: `raw_n_cook` is what the authors' code ran (loss `ntr_bce_released`), `raw_n_cook_db`
what their paper claims (`db_focal_paper`); the ablations of Table 5 take away cooked features,
loss, or both, and change nothing else (the released files also change the step gamma). Four
outputs, the types, as released; five, misogynous first, where task A is wanted. kNN, SVM, logistic
regression and label propagation draw nothing at random: one seed tells all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["head", "cmml", "probe", "ssl", "rival"]
RAW = ("image", "text")
COOKED = (*RAW, "linear")
RELEASED, CLAIMED = "ntr_bce_released", "db_focal_paper"
MAIN_LOSSES = (RELEASED, CLAIMED, "bce")


@dataclass(frozen=True)
class System:
    """One system; `features` are blocks of lib.memes.systems.cooking or arrays of Inputs.extra."""

    name: str
    label: str  # in tables and figures
    paper: str  # the name in the paper's tables; "" where it is ours
    kind: Kind
    features: tuple[str, ...] = RAW
    loss: str = "bce"  # of lib.memes.nets.losses
    unlabelled: bool = False  # whether it learns from the rows without labels
    seeds: Literal["main", "other", "single"] = "other"  # ten, three, or nothing is random
    outputs: int = 4  # the types, or 5: misogynous first
    method: str = ""  # which probe, semi-supervised method or rival
    step_gamma: float = 0.0  # factor on the learning rate after an epoch; 0: settings.step_gamma
    focal_gamma: float = -1.0  # exponent of the focal losses; -1: the loss's own, 2
    divergence: float = 0.0  # weight of CMML's divergence term
    variant: str = ""  # which point of a sweep; "" for the system itself


def _head(name: str, label: str, features: tuple[str, ...], loss: str, **other) -> System:
    cooked = not set(features) <= set(RAW)
    return System(name, label, other.pop("paper", ""), "head", features, loss, cooked, **other)


def _probe(method: str, label: str) -> System:
    return System(method, label, "", "probe", seeds="single", outputs=5, method=method)


def _ssl(method: str, label: str, **other) -> System:
    return System(method, label, "", "ssl", unlabelled=True, method=method, **other)


def _rival(name: str, label: str, paper: str, features: tuple[str, ...], **other) -> System:
    return System(name, label, paper, "rival", features, method=name, **other)


_ALL = (
    _head("raw_n_cook", "RAW-N-COOK", COOKED, RELEASED, paper="Ours", seeds="main"),
    _head("raw_n_cook_db", "RAW-N-COOK, DB-focal", COOKED, CLAIMED, seeds="main"),
    _head("raw_only", "w/o CROM-AE", RAW, RELEASED, paper="w/o CROM-AE encoders", seeds="main"),
    _head("raw_only_db", "w/o CROM-AE, DB-focal", RAW, CLAIMED, seeds="main"),
    _head("raw_n_cook_bce", "w/o DB loss", COOKED, "bce", paper="w/o DB loss", seeds="main"),
    _head("raw_only_bce", "w/o DB loss + CROM-AE", RAW, "bce",
          paper="w/o DB loss + CROM-AE encoders", seeds="main"),
    _head("raw_n_cook_five", "RAW-N-COOK, five outputs", COOKED, RELEASED, outputs=5),
    _head("raw_n_cook_focal", "RAW-N-COOK, focal", COOKED, "focal"),
    _head("raw_n_cook_cb", "RAW-N-COOK, class-balanced", COOKED, "class_balanced"),
    _head("cook_activated", "cooked after PReLU", (*RAW, "activated"), RELEASED),
    _head("cook_translated", "cooked: decoder output", (*RAW, "translated"), RELEASED),
    _head("cook_residual", "cooked: residual", (*RAW, "residual"), RELEASED),
    _head("cook_ridge", "cooked by ridge", (*RAW, "ridge"), RELEASED),
    _head("cook_ridge_residual", "cooked: residual of ridge", (*RAW, "ridge_residual"), RELEASED),
    _head("only_cooked", "cooked alone", ("linear",), RELEASED),
    _head("only_image", "picture alone", ("image",), RELEASED),
    _head("only_text", "text alone", ("text",), RELEASED),
    System("cmml_clip", "CMML-CLIP", "CMML-CLIP", "cmml", unlabelled=True, seeds="main"),
    System("cmml_clip_divergence", "CMML-CLIP, divergence", "", "cmml", unlabelled=True,
           divergence=0.01),
    System("cmml_origin", "CMML-ORIGIN", "CMML origin", "cmml", ("picture", "words"),
           unlabelled=True),
    _rival("tib_va", "TIB-VA", "TIB-VA", ("image", "tokens"), outputs=5),
    _rival("visualbert", "VisualBERT", "VisualBERT", ("ids", "regions")),
    _rival("ext_pie_net", "Ext-PIE-Net", "Extpienet", ("cells", "states"), unlabelled=True),
    _rival("vilt", "ViLT", "ViLT", ("ids", "pixels")),
    _rival("lxmert", "LXMERT", "Lxmert", ("ids", "regions", "boxes")),
    _probe("linear", "logistic regression"),
    _probe("svm_rbf", "SVM-RBF"),
    _probe("knn", "kNN"),
    _ssl("pseudo_label", "pseudo-label"),
    _ssl("fixmatch", "FixMatch"),
    _ssl("freematch", "FreeMatch"),
    _ssl("mean_teacher", "mean teacher"),
    _ssl("label_propagation", "label propagation", seeds="single", outputs=5),
)  # fmt: skip
SYSTEMS: dict[str, System] = {system.name: system for system in _ALL}


def gamma_sweep(
    step_gammas: tuple[float, ...], focal_gammas: tuple[float, ...]
) -> tuple[System, ...]:
    """Return the variants behind Table 2: RAW-N-COOK with each step gamma and each focal gamma.

    The paper's gamma is the step gamma, the factor on the learning rate after each epoch; the
    focal gamma is the exponent of its loss, which has the same letter.
    """
    steps = [
        replace(SYSTEMS["raw_n_cook"], seeds="other", step_gamma=g, variant=f"step_gamma={g:g}")
        for g in step_gammas
    ]
    focals = [
        replace(
            SYSTEMS["raw_n_cook_db"], seeds="other", focal_gamma=g, variant=f"focal_gamma={g:g}"
        )
        for g in focal_gammas
    ]
    return (*steps, *focals)

"""The systems of the fake-news study as data: every pair classifier is towers, gate, fusion, head.

A tower names the arrays of `lib.fnd.inputs` that it reads and what becomes of them. The names carry
the published tower's role (bert_chunks, resnet_image, vgg_image, ...); which network fills a role
is a setting of the stage `features_nmb`, so a row of the sample reads MiniLM where the paper says
BERT. Papers: FND-CLIP arXiv 2205.14304; SpotFake, BigMM 2019; SpotFake+, AAAI 2020; the page's own
models: Fair-ly (BERT + ResNet-34) and VILBias arXiv 2412.17052 (DistilRoBERTa + CLIP).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

MODALITIES = ("text", "image", "mixed")  # columns of Scores.attention
Pool = Literal["", "layers", "first", "mean", "attention", "flatten"]


@dataclass(frozen=True)
class Dense:
    """A stack of linear layers; no widths: the input as it is."""

    widths: tuple[int, ...] = ()
    norm: bool = False  # batch norm behind each linear layer
    activation: Literal["relu", "gelu", "none"] = "relu"
    dropout: float = 0.0
    dropout_at: Literal["first", "last", "each"] = "last"  # behind which of the layers


@dataclass(frozen=True)
class Tower:
    """One modality: arrays, each reduced to a vector, joined, and run through a dense stack."""

    arrays: tuple[str, ...]
    pool: Pool = ""  # of arrays (n, k, d): layers, chunks or sentences
    interaction: bool = False  # arrays are pairs: product, absolute difference and cosine of each
    dense: Dense = field(default_factory=Dense)


@dataclass(frozen=True)
class System:
    """One row of the study's tables."""

    name: str
    title: str
    family: str  # rows of a family stand together
    kind: Literal["network", "baseline"] = "network"
    towers: tuple[tuple[str, Tower], ...] = ()  # text, image, mixed
    gate: Literal["none", "standardised", "affine"] = "none"  # similarity weight on mixed
    fusion: Literal["concat", "product", "sum", "attention", "gated"] = "concat"
    normalise: bool = False  # towers' vectors to unit length times sqrt(d) before the fusion
    joint: Dense = field(default_factory=Dense)  # the fusion layer, behind the fusion
    head: Dense = field(default_factory=Dense)  # hidden layers before the logit
    teacher: bool = False  # CLIP teaches in training: a cosine loss on the towers' vectors
    ensemble: bool = False  # members of other seeds, averaged, and one temperature
    seeded: bool = True  # False: nothing is random, one seed says all
    parent: str = ""  # the system that this one is an ablation of
    arrays: tuple[str, ...] = ()  # that a baseline reads

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the arrays that the system reads, sorted."""
        names = {name for _, tower in self.towers for name in tower.arrays} | set(self.arrays)
        if self.gate != "none" or self.fusion == "gated" or self.teacher:
            names |= {"clip_image", "clip_text"}
        return tuple(sorted(names))

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the towers, in the order of MODALITIES."""
        return tuple(name for name, _ in self.towers)

    @property
    def uses(self) -> tuple[str, ...]:
        """What the system looks at: text, image, or both."""
        kinds = {modality_of(name) for name in self.needs}
        return tuple(one for one in ("text", "image") if one in kinds)


def modality_of(array: str) -> str:
    """Return text or image for an array of features, "" for any other."""
    parts = array.split("_")
    if "image" in parts:
        return "image"
    return "text" if {"text", "last", "layers", "chunks", "sentences", "tuned"} & set(parts) else ""


FND_TOWER = Dense((256, 64), norm=True, dropout=0.5, dropout_at="first")
FND_HEAD = Dense((64, 64), norm=True)
NMB_TOWER = Dense((768,), activation="none", dropout=0.1)
NMB_LAYER = Dense((768,), activation="gelu", dropout=0.1)


def _fnd_clip() -> list[System]:
    """FND-CLIP as the paper says it, as its authors wrote it, and its ablations."""
    text = Tower(("bert_last", "clip_text"), dense=FND_TOWER)
    image = Tower(("resnet_image", "clip_image"), dense=FND_TOWER)
    mixed = Tower(("clip_text", "clip_image"), dense=FND_TOWER)
    towers = (("text", text), ("image", image), ("mixed", mixed))
    paper = System(
        "fnd_clip", "FND-CLIP (paper)", "fnd_clip", towers=towers, gate="standardised",
        fusion="attention", head=FND_HEAD,
    )  # fmt: skip
    layered = replace(text, arrays=("bert_layers", "clip_text"), pool="layers")
    bare = (
        ("text", replace(text, arrays=("bert_last",))),
        ("image", replace(image, arrays=("resnet_image",))),
        ("mixed", replace(mixed, arrays=("bert_last", "resnet_image"))),
    )
    without = {
        "clip": {"towers": bare, "gate": "none"},
        "attention": {"fusion": "sum"},
        "similarity": {"gate": "none"},
        "text": {"towers": towers[1:]},
        "image": {"towers": towers[::2]},
        "mixed": {"towers": towers[:2], "gate": "none"},
    }
    return [
        paper,
        replace(
            paper, name="fnd_clip_author", title="FND-CLIP (authors' code)", gate="affine",
            towers=(("text", layered), *towers[1:]),
        ),
        *(
            replace(
                paper, name=f"fnd_clip_no_{what}", parent="fnd_clip",
                title=f"FND-CLIP without {what.replace('clip', 'CLIP')}", **changes,
            )
            for what, changes in without.items()
        ),
    ]  # fmt: skip


def _page() -> list[System]:
    """BERT + ResNet-34 with the page's three fusions, with and without normalised vectors."""
    towers = (
        ("text", Tower(("bert_last",), dense=NMB_TOWER)),
        ("image", Tower(("resnet_image",), dense=NMB_TOWER)),
    )
    base = System("", "", "bert_resnet", towers=towers)
    fusions = {
        "concat": ("concatenation", {}),
        "align": ("dot-product alignment", {"fusion": "product"}),
        "layer": ("fusion layer", {"joint": NMB_LAYER}),
    }
    plain = [
        replace(base, name=f"bert_resnet_{key}", title=f"BERT + ResNet-34, {words}", **changes)
        for key, (words, changes) in fusions.items()
    ]
    normalised = [
        replace(one, name=f"{one.name}_norm", title=f"{one.title}, normalised", normalise=True)
        for one in plain
    ]
    tuned = replace(
        plain[2], name="bert_resnet_tuned", title="BERT + ResNet-34, last blocks learn",
        towers=(
            ("text", Tower(("bert_tuned",), dense=NMB_TOWER)),
            ("image", Tower(("resnet_image_tuned",), dense=NMB_TOWER)),
        ),
    )  # fmt: skip
    teacher = replace(
        plain[2], name="nmb_teacher", title="BERT + ResNet-34, CLIP as teacher", teacher=True
    )
    return [*(one for pair in zip(plain, normalised, strict=True) for one in pair), tuned, teacher]


def _others() -> list[System]:
    """SpotFake, SpotFake+ and DistilRoBERTa + CLIP."""
    spotfake = System(
        "spotfake", "SpotFake", "spotfake",
        towers=(
            ("text", Tower(("bert_last",), dense=Dense((768, 32)))),
            ("image", Tower(("vgg_image",), dense=Dense((2742, 32)))),
        ),
        head=Dense((35,), dropout=0.4, dropout_at="first"),
    )  # fmt: skip
    deep = Dense((1000, 500, 100), norm=True, dropout=0.4)
    plus = System(
        "spotfake_plus", "SpotFake+", "spotfake",
        towers=(
            ("text", Tower(("xlnet_sentences",), pool="flatten", dense=deep)),
            ("image", Tower(("vgg_image",), dense=replace(deep, widths=(2000, 1000, 100)))),
        ),
        head=Dense((200, 100, 50), dropout=0.4),
    )  # fmt: skip
    distil = System(
        "distilroberta_clip", "DistilRoBERTa + CLIP", "distilroberta_clip",
        towers=(
            ("text", Tower(("distilroberta_last",), dense=NMB_TOWER)),
            ("image", Tower(("clip_image",), dense=NMB_TOWER)),
        ),
        fusion="product", normalise=True, joint=NMB_LAYER,
    )  # fmt: skip
    return [spotfake, plus, distil]


def _single() -> list[System]:
    """One modality alone; long articles by their first window, or by chunks."""
    dense = FND_TOWER
    text = System(
        "text_only", "Text alone", "unimodal",
        towers=(("text", Tower(("bert_last", "clip_text"), dense=dense)),), head=FND_HEAD,
    )  # fmt: skip
    image = replace(
        text, name="image_only", title="Image alone",
        towers=(("image", Tower(("resnet_image", "clip_image"), dense=dense)),),
    )  # fmt: skip
    words = {"first": "first window", "mean": "mean of chunks", "attention": "attention on chunks"}
    chunked = [
        replace(
            text, name=f"article_{pool}", title=f"Article alone, {title}", family="long_articles",
            towers=(("text", Tower(("bert_chunks",), pool=pool, dense=dense)),),
        )
        for pool, title in words.items()
    ]  # fmt: skip
    return [text, image, *chunked]


def _baselines() -> list[System]:
    """What needs no network: priors, the outlet's name, CLIP's similarity alone (MUSE)."""
    base = System("", "", "baseline", kind="baseline", seeded=False)
    pair = ("clip_image", "clip_text")
    return [
        replace(base, name="majority", title="Majority class"),
        replace(base, name="always_positive", title="Always Likely"),
        replace(base, name="outlet_only", title="Outlet's name alone"),
        replace(
            base, name="similarity_logistic", title="CLIP similarity, logistic", arrays=pair
        ),
        replace(
            base, name="similarity_forest", title="CLIP similarity, forest", arrays=pair,
            seeded=True,
        ),
    ]  # fmt: skip


def _ours() -> list[System]:
    """Gated fusion of both modalities, their similarity and their interaction; an ensemble."""
    dense = Dense((32,), norm=True, dropout=0.5)
    towers = (
        ("text", Tower(("bert_chunks", "clip_text", "clip2_text"), "mean", dense=dense)),
        ("image", Tower(("resnet_image", "clip_image", "clip2_image"), dense=dense)),
        (
            "mixed",
            Tower(
                ("clip_text", "clip_image", "clip2_text", "clip2_image"), interaction=True,
                dense=dense,
            ),
        ),
    )  # fmt: skip
    return [
        System(
            "gated_interaction", "Gated fusion with interaction (ours)", "ours", towers=towers,
            fusion="gated", head=Dense((32,), norm=True, dropout=0.3), ensemble=True,
        )
    ]  # fmt: skip


SYSTEMS: dict[str, System] = {
    system.name: system
    for make in (_baselines, _single, _page, _others, _fnd_clip, _ours)
    for system in make()
}


def find(names: tuple[str, ...]) -> list[System]:
    """Return systems by name, in that order; ValueError, `systems: why`, for an unknown one."""
    unknown = [name for name in names if name not in SYSTEMS]
    if unknown:
        raise ValueError(f"systems: {unknown[0]!r} is not one of {', '.join(SYSTEMS)}")
    return [SYSTEMS[name] for name in names]

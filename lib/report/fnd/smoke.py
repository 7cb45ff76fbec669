"""A tiny made-up fake-news study in the layout that notebook 02 leaves, for a run without one.

Scores are drawn, not computed: every article has a text, a picture and a mismatch signal, each
system sees some of them. Good for seeing that pages render; the numbers mean nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lib.fnd import OUTLET, PERTURB, SHARE, STORY, SWAP
from lib.fnd.findings import FND_CLIP, IMAGE, OURS, PERTURBATIONS, SWAPS, TEXT
from lib.fnd.systems import SYSTEMS, System
from lib.schema import write_pairs

SEEDS = (0, 1, 2)
OUTLETS = ("The Harbour Post", "Daily Lantern", "Northern Wire", "Valley Echo")
TOPICS = ("Politics", "Health", "Sport", "Weather")
SHARES = (0.1, 0.25, 0.5)
LEARNING = (TEXT, IMAGE, FND_CLIP)
SEES = {"text": (1, 0, 0), "image": (0, 1, 0), "text + image": (1, 1, 1.4)}
FEW = (  # systems of a smoke run
    "majority", "always_positive", "outlet_only", "similarity_logistic", "text_only", "image_only",
    "bert_resnet_concat", "bert_resnet_concat_norm", "bert_resnet_align", "bert_resnet_layer",
    "spotfake", "spotfake_plus", "fnd_clip", "fnd_clip_author", "fnd_clip_no_clip",
    "gated_interaction",
)  # fmt: skip
Truth = dict[str, np.ndarray]


def write_study(
    folder: Path, articles: int = 240, seed: int = 0, systems: Sequence[str] = tuple(SYSTEMS)
) -> tuple[Path, Path]:
    """Write pairs.parquet, pictures, card.json and predictions/; returns the last and the first.

    A quarter of the articles is for training, one for validation, the rest is test.
    """
    rng = np.random.default_rng(seed)
    truth = _truth(articles, rng)
    pairs = _pairs(truth, rng)
    folder.mkdir(parents=True, exist_ok=True)
    write_pairs(pairs, folder / "pairs.parquet")
    _pictures(pairs, folder, rng)
    _card(pairs, truth, folder)
    out = folder / "predictions"
    out.mkdir(exist_ok=True)
    made = [SYSTEMS[name] for name in systems]
    pd.concat(_predictions(pairs, truth, made, rng), ignore_index=True).to_parquet(
        out / "predictions.parquet"
    )
    _attention(pairs, truth, made, rng).to_parquet(out / "attention.parquet")
    _histories(made, rng).to_parquet(out / "histories.parquet")
    table(made).to_parquet(out / "systems.parquet")
    _leakage().to_parquet(out / "leakage.parquet")
    _search(made, rng).to_parquet(out / "search.parquet")
    return out, folder / "pairs.parquet"


def table(systems: Sequence[System]) -> pd.DataFrame:
    """Return the table of systems that a study leaves."""
    rows = [(s.name, s.title, s.family, " + ".join(s.uses), s.parent, "") for s in systems]
    return pd.DataFrame(rows, columns=["system", "title", "family", "uses", "parent", "stand_ins"])


def _leakage() -> pd.DataFrame:
    """One row of a leakage report."""
    row = {"protocol": STORY, "check": "test rows in crossing groups", "value": 0.0, "low": 0.0,
           "high": 0.03, "baseline": 0.0, "rows": 120, "note": "made up"}  # fmt: skip
    return pd.DataFrame([row])


def _search(systems: Sequence[System], rng: np.random.Generator) -> pd.DataFrame:
    """Two learning rates of every network, the second one chosen."""
    rows = [
        (system.name, rate, rng.uniform(0.6, 0.8), rate == 1e-3)
        for system in systems
        if system.kind != "baseline"
        for rate in (3e-4, 1e-3)
    ]
    return pd.DataFrame(rows, columns=["system", "lr", "validation", "chosen"])


def _truth(articles: int, rng: np.random.Generator) -> Truth:
    """Signals of every article, -1 or 1, and its label."""
    text, image, mismatch = rng.choice([-1.0, 1.0], (3, articles))
    chance = 1 / (1 + np.exp(-(0.2 + 0.6 * text + 0.5 * image + 1.2 * mismatch)))
    label = (rng.random(articles) < chance).astype(int)
    signals = {"text": text, "image": image, "mismatch": mismatch}
    return signals | {"label": label, "probability": chance}


def _pairs(truth: Truth, rng: np.random.Generator) -> pd.DataFrame:
    """Articles; every tenth repeats the group of the one before."""
    number = np.arange(len(truth["label"]))
    outlet = rng.integers(0, len(OUTLETS), len(number))
    ids = [f"{i:010x}" for i in number]
    label = truth["label"]
    split = np.array(["train", "validation", "test", "test"])[(number - (number % 10 == 9)) % 4]
    return pd.DataFrame(
        {
            "id": ids, "image": [f"images/{i}.png" for i in ids],
            "text": [f"headline number {i} of a made-up world" for i in number],
            "lang": "en", "split": split, "date": "2024-05-01",
            "source": np.array(OUTLETS)[outlet],
            "group": [f"{i - (i % 10 == 9):010x}" for i in number],
            "label": label, "label_name": np.where(label == 1, "Likely", "Unlikely"),
            "categories": rng.choice(TOPICS, len(number)),
            "split_outlet": np.array(["train", "validation", "test", "test"])[outlet],
        }
    )  # fmt: skip


def _pictures(pairs: pd.DataFrame, folder: Path, rng: np.random.Generator) -> None:
    """Two-coloured tiles of 32 pixels, one an article."""
    (folder / "images").mkdir(exist_ok=True)
    for name, colors in zip(pairs["image"], rng.integers(40, 230, (len(pairs), 2, 3)), strict=True):
        tile = np.tile(colors[0], (32, 32, 1)).astype(np.uint8)
        tile[8:24, 8:24] = colors[1]
        Image.fromarray(tile).save(folder / name)


def _card(pairs: pd.DataFrame, truth: Truth, folder: Path) -> None:
    """The card and the truth of a sample corpus."""
    (folder / "card.json").write_text(json.dumps({"name": "made up"}), encoding="utf-8")
    names = {"mismatch": "mismatch", "rhetoric": "text", "look": "image"}
    known = {name: (truth[signal] > 0).astype(int) for name, signal in names.items()}
    known |= {"id": pairs["id"], "probability": truth["probability"]}
    pd.DataFrame(known).to_csv(folder / "truth.csv", index=False)


def _score(
    system: System, truth: Truth, rng: np.random.Generator, factors: Sequence[float]
) -> np.ndarray:
    """P(Likely) of a system that sees the three signals with some factors."""
    n = len(truth["label"])
    if not system.uses:
        constant = {"always_positive": 1.0, "majority": 0.56}.get(system.name)
        return np.full(n, constant) if constant else np.clip(rng.normal(0.55, 0.1, n), 0, 1)
    gain = 1.3 if system.name == OURS else 0.6 if system.parent else 1.0
    sees = np.array(SEES[" + ".join(system.uses)]) * factors * gain
    logit = 0.6 * sees[0] * truth["text"] + 0.5 * sees[1] * truth["image"]
    logit = logit + 1.2 * sees[2] * truth["mismatch"] * (gain > 0.7) + rng.normal(0, 0.9, n)
    return 1 / (1 + np.exp(-logit))


def _predictions(
    pairs: pd.DataFrame, truth: Truth, systems: Sequence[System], rng: np.random.Generator
) -> Iterator[pd.DataFrame]:
    """Rows of every system, protocol, variant and seed."""
    gone = {"image": (1, 0, 0.3), "text": (0, 1, 0.3)}
    for system in systems:
        for seed in SEEDS if system.seeded else SEEDS[:1]:
            full = _score(system, truth, rng, (1, 1, 1))
            yield _rows(pairs, system, full, seed=seed)
            if system.kind == "baseline" or system.name in LEARNING:
                hidden = _score(system, truth, rng, (0.8, 0.8, 0.8))
                yield _rows(pairs, system, hidden, OUTLET, seed=seed)
            if not system.uses:
                continue
            for kind in SWAPS:
                score = _score(system, truth, rng, gone[kind.split("_")[0]])
                yield _rows(pairs, system, score, variant=f"{SWAP}{kind}", seed=seed)
            for kind in PERTURBATIONS:
                score = _score(system, truth, rng, (0.9, 0.9, 0.8))
                yield _rows(pairs, system, score, variant=f"{PERTURB}{kind}", seed=seed)
            for share in SHARES if system.name in LEARNING else ():
                score = _score(system, truth, rng, (share**0.3,) * 3)
                yield _rows(pairs, system, score, variant=f"{SHARE}{share:g}", seed=seed)


def _rows(
    pairs: pd.DataFrame, system: System, score: np.ndarray, protocol: str = STORY,
    variant: str = "", seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Predictions of validation and test rows; of changed rows, test alone."""
    split = pairs["split" if protocol == STORY else "split_outlet"]
    said = pd.DataFrame(
        {
            "id": pairs["id"], "group": pairs["group"], "split": split, "protocol": protocol,
            "system": system.name, "variant": variant, "seed": seed, "y_true": pairs["label"],
            "score": score.astype(np.float32),
        }
    )  # fmt: skip
    changed = variant.startswith((SWAP, PERTURB))
    return said[split.isin(["test"] if changed else ["validation", "test"])]


def _attention(
    pairs: pd.DataFrame, truth: Truth, systems: Sequence[System], rng: np.random.Generator
) -> pd.DataFrame:
    """Weights and similarity of the systems that have a gate or attention."""
    test, parts = (pairs["split"] == "test").to_numpy(), []
    for system in systems:
        for seed in SEEDS if system.gate != "none" else ():
            drawn = rng.normal([0.6, 0.5, 0.7], 0.08, (test.sum(), 3)).astype(np.float32)
            frame = pd.DataFrame(drawn, columns=["text", "image", "mixed"])
            fits = 0.3 - 0.08 * truth["mismatch"][test] + rng.normal(0, 0.05, test.sum())
            frame = frame.assign(similarity=fits.astype(np.float32), id=pairs["id"][test].array)
            parts.append(frame.assign(system=system.name, seed=seed))
    columns = ["id", "system", "seed", "text", "image", "mixed", "similarity"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _histories(systems: Sequence[System], rng: np.random.Generator) -> pd.DataFrame:
    """Loss and validation score of five epochs."""
    rows = [
        (system.name, STORY, "", seed, 0, epoch, 0.7 / (epoch + 1), 0.6 + rng.random() / 5)
        for system in systems
        if system.kind == "network"
        for seed in SEEDS
        for epoch in range(5)
    ]
    columns = ["system", "protocol", "variant", "seed", "member", "epoch", "loss",
               "validation"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)

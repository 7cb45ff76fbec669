"""Card: what was planted in the MAMI sample, counted, and the most that text or picture can tell.

Ceilings: a rule that knows how the corpus was made, but sees the text alone, the picture alone, or
both, gives each label its share among memes with the same evidence, and takes the threshold with
the best F1. Shares and thresholds come from many more memes of the same kind, made without words or
pixels; the scores are those on the test memes that were written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from lib.memes import scores
from lib.sample import corpora
from lib.sample.corpora import planted
from lib.sample.mami.contents import LABELS, TYPES, Case, Content, cases
from lib.sample.mami.memes import SPLITS, Meme, Settings

VERSION = 1
MEANINGS = {
    "misogynous": "the meme insults robots (the column keeps MAMI's name)",
    "shaming": "it mocks a robot's looks: rust, dents, squeaking",
    "stereotype": "it says what all robots are like: that they only vacuum, cook and mop",
    "objectification": "it makes a robot a thing to own, rent or sell for its parts",
    "violence": "it calls for kicking, breaking or dismantling a robot",
}
EVIDENCE: dict[str, Callable[[Content], tuple]] = {
    "text_and_picture": lambda content: (content.text, content.picture),
    "text": lambda content: content.text,
    "picture": lambda content: content.picture,
    "nothing": lambda content: (),
}
LICENCES = corpora.LICENCES | {
    "words": "written for this project; they insult robots alone",
    "typeface": "DejaVu Sans Bold, from the package matplotlib. Licence: Bitstream Vera",
}


def card(memes: Sequence[Meme], settings: Settings) -> dict:
    """Return the data card."""
    return {
        "name": "MAMI sample corpus (made, not collected); robots are insulted, no person is",
        "version": VERSION,
        "settings": corpora.recorded(settings),
        "memes": len(memes),
        "meanings": MEANINGS,
        "splits": {split: _counts([m for m in memes if m.split == split]) for split in SPLITS},
        "repeated_texts": {_id(m): _origin(m) for m in memes if m.repeats and not m.repost},
        "reposts": {_id(m): _origin(m) for m in memes if m.repost},
        "noise": _noise(memes),
        "ceilings": _ceilings(memes, settings),
        "licences": LICENCES,
    }


def _id(meme: Meme) -> str:
    """Return the meme's id in the pairs table."""
    return f"{'training' if meme.split == 'train' else meme.split}/{meme.name}"


def _origin(meme: Meme) -> str:
    return f"training/{meme.repeats}"  # no other split is repeated


def _counts(memes: list[Meme]) -> dict:
    """Return the exact counts of what is planted in a split."""
    flags = np.array([meme.labels for meme in memes])
    types = flags[:, 1:].astype(bool)
    lengths = [len(meme.transcription.split()) for meme in memes]
    pairs = list(combinations(range(len(TYPES)), 2))
    together = {f"{TYPES[a]}+{TYPES[b]}": int((types[:, a] & types[:, b]).sum()) for a, b in pairs}
    return {
        "memes": len(memes),
        "labels": dict(zip(LABELS, flags.sum(0).tolist(), strict=True)),
        "types_of_a_meme": {str(k): int((types.sum(1) == k).sum()) for k in range(5)},
        "together": together,
        "misogynous_without_type": int((flags[:, 0] > types.any(1)).sum()),
        "type_without_misogynous": int((flags[:, 0] < types.any(1)).sum()),
        "words": {"mean": round(float(np.mean(lengths)), 1), "max": max(lengths)}
        | {f"p{q}": int(np.percentile(lengths, q)) for q in (50, 95, 99)},
        "kinds": planted.shares([meme.content.kind for meme in memes]),
        "artists": planted.shares([meme.scene.artist for meme in memes]),
        "layouts": planted.shares([meme.layout for meme in memes]),
    }


def _noise(memes: Sequence[Meme]) -> dict:
    """Return how often the published labels differ from what the memes say and show."""
    found = {}
    for split in SPLITS:
        some = [meme for meme in memes if meme.split == split]
        said = np.array([content_labels(meme.content) for meme in some])
        wrong = (said != np.array([meme.labels for meme in some])).mean(0)
        found[split] = {label: round(float(w), 4) for label, w in zip(LABELS, wrong, strict=True)}
    return {"note": "share of memes whose label differs from their content", **found}


def content_labels(content: Content) -> tuple[int, ...]:
    """Return the labels that a content deserves."""
    if content.kind != "insult":
        return (0,) * len(LABELS)
    held = {*content.said, *(content.props if content.frame else ())}
    return (1, *(int(kind in held) for kind in TYPES))


def _ceilings(memes: Sequence[Meme], settings: Settings) -> dict:
    """Return the scores on the test memes of what each kind of evidence allows."""
    test = [Case(meme.labels, meme.content) for meme in memes if meme.split == "test"]
    found: dict = {"note": "A and B: the official scores; AUC: mean over the four types"}
    for split, name in (("test", "knowing_the_test_shares"), ("train", "from_training_shares")):
        many = _simulated(split, settings)
        found[name] = {key: ceiling(many, test, see) for key, see in EVIDENCE.items()}
    truth = np.array([case.labels for case in test])
    for name, value in (("all_negative", 0), ("all_positive", 1)):
        found[name] = _scored(truth, np.full(truth.shape, value))
    return found


def _simulated(split: str, settings: Settings) -> list[Case]:
    """Return many cases made like those of a split; MAMI's test set has no untyped memes."""
    rng = np.random.default_rng([settings.seed, 5, SPLITS.index(split)])
    return cases(settings.simulated, split, settings.noise, rng)


def ceiling(many: Sequence[Case], test: Sequence[Case], see: Callable[[Content], tuple]) -> dict:
    """Return the scores on `test` of the rule learnt from `many` that sees this evidence."""
    rows = defaultdict(list)
    for case in many:
        rows[see(case.content)].append(case.labels)
    share = {key: np.mean(found, 0) for key, found in rows.items()}
    overall = np.mean([case.labels for case in many], 0)
    known = np.array([share[see(case.content)] for case in many])
    cut = scores.best_thresholds(np.array([case.labels for case in many]), known)
    guess = np.array([share.get(see(case.content), overall) for case in test])
    truth = np.array([case.labels for case in test])
    auc = round(scores.macro_auc(truth[:, 1:], guess[:, 1:]), 4)
    return _scored(truth, (guess >= cut).astype(int)) | {"auc": auc}


def _scored(truth: np.ndarray, predicted: np.ndarray) -> dict:
    """Return the official scores and the F1 of each label."""
    f1 = scores.macro_f1(truth, predicted).round(4).tolist()
    return {
        "task_a": round(scores.task_a(truth[:, 0], predicted[:, 0]), 4),
        "task_b": round(scores.task_b(truth[:, 1:], predicted[:, 1:]), 4),
        "f1": dict(zip(LABELS, f1, strict=True)),
    }

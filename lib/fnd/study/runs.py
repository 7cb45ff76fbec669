"""One run is a system trained with a seed in a protocol; it is kept until the study is written."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib.fingerprint import fingerprint
from lib.fnd import OUTLET, PERTURB, SHARE, STORY, SWAP
from lib.fnd.inputs import Inputs
from lib.fnd.study.plan import FndStudy
from lib.fnd.systems import System
from lib.fnd.training import Fitted, FndClipTraining, Scores, run

TABLES = {
    "predictions": ["id", "group", "split", "protocol", "system", "variant", "seed", "y_true",
                    "score"],
    "attention": ["id", "system", "seed", "text", "image", "mixed", "similarity"],
    "histories": ["system", "protocol", "variant", "seed", "member", "epoch", "loss",
                  "validation"],
}  # fmt: skip
SCORED = ("validation", "test")
Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Run:
    """What is trained: on a share of the training groups of a protocol."""

    system: System
    protocol: str
    seed: int
    share: float = 1.0
    lr: float | None = None  # of the head; None: that of the settings

    @property
    def name(self) -> str:
        """Name for people and files."""
        part = f"-{self.share:g}" if self.share < 1 else ""
        rate = f"-lr{self.lr:g}" if self.lr is not None else ""
        return f"{self.protocol}-{self.system.name}-{self.seed}{part}{rate}"


class Cache:
    """Finished runs in a folder, each under a digest of all that it depends on."""

    def __init__(self, folder: Path, sources: Iterable[Path], *settings: object):
        """sources: files whose bytes the runs depend on; settings: what else, as dataclasses."""
        digest = hashlib.sha256(fingerprint(__name__).encode())
        for source in sources:
            digest.update(source.read_bytes())
        digest.update(repr(settings).encode())
        self.folder = folder / digest.hexdigest()[:16]

    def __contains__(self, wanted: Run) -> bool:
        """Whether a run has been finished."""
        return (self.folder / wanted.name).is_dir()

    def read(self, wanted: Run) -> Tables:
        """Return the tables of a finished run."""
        folder = self.folder / wanted.name
        return {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}

    def keep(self, made: Run, tables: Mapping[str, pd.DataFrame]) -> None:
        """Keep the tables of a run; the folder appears whole or not at all."""
        part = self.folder / f".{made.name}.{os.getpid()}"
        part.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            tables[name].to_parquet(part / f"{name}.parquet")
        shutil.rmtree(self.folder / made.name, ignore_errors=True)  # its weights were removed
        os.replace(part, self.folder / made.name)

    def checkpoint(self, wanted: Run) -> Path:
        """Return the file that training goes on from after it was killed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{wanted.name}.safetensors"

    def forget(self) -> None:
        """Remove all runs: the study is written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def planned(
    systems: list[System],
    settings: FndClipTraining,
    plan: FndStudy,
    rates: Mapping[str, float],
) -> Iterator[Run]:
    """Yield the runs of a study: story split, outlets held out, learning curves.

    rates: learning rate of each network that was searched.
    """
    for system in systems:
        seeds, lr = settings.seeds if system.seeded else settings.seeds[:1], rates.get(system.name)
        for seed in seeds:
            yield Run(system, STORY, seed, lr=lr)
            outlets = system.kind == "baseline" or system.name in settings.outlet_systems
            if OUTLET in settings.protocols and outlets:
                yield Run(system, OUTLET, seed, lr=lr)
            if system.name in plan.learning_systems:
                yield from (Run(system, STORY, seed, share, lr) for share in plan.shares)


def make(
    one: Run,
    inputs: Inputs,
    settings: FndClipTraining,
    changed: Changed,
    checkpoint: Path,
    model: Path | None,
) -> Tables:
    """Train and score one run; model: folder that its weights are saved in."""
    part = inputs if one.share == 1 else less(inputs, one.share, one.seed)
    if one.lr is not None:
        settings = replace(settings, train=replace(settings.train, lr_new=one.lr))
    fitted = run(one.system, part, one.seed, settings, one.protocol, checkpoint)
    variant = f"{SHARE}{one.share:g}" if one.share < 1 else ""
    rows = {split: inputs.rows(split, one.protocol) for split in SCORED}
    said = {split: fitted.predict(inputs, found) for split, found in rows.items()}
    about = {"protocol": one.protocol, "system": one.system.name, "seed": one.seed}
    predictions = [
        frame(inputs, rows[split], said[split], split=split, variant=variant, **about)
        for split in SCORED
    ]
    attention = pd.DataFrame(columns=TABLES["attention"])
    if one.protocol == STORY and one.share == 1:
        predictions += list(changed.frames(fitted, about))
        attention = weights(inputs, rows["test"], said["test"], one)
    if model is not None:
        fitted.save(model, part)
    history = pd.DataFrame(fitted.history).assign(variant=variant, **about)
    history = history.reindex(columns=TABLES["histories"])
    parts = pd.concat(predictions, ignore_index=True)
    return {"predictions": parts, "attention": attention, "histories": history}


class Changed:
    """Test rows of the story split with one modality replaced, dropped or made worse."""

    def __init__(self, inputs: Inputs, plan: FndStudy):
        """Make the swapped copies once for all systems."""
        self.inputs, self.rows = inputs, inputs.rows("test")
        test = inputs.take(self.rows)
        self.swapped = {kind: test.swap(kind, plan.swap_seed) for kind in plan.swaps}

    def frames(self, fitted: Fitted, about: Mapping[str, object]) -> Iterator[pd.DataFrame]:
        """Yield the predictions of a fitted system on every copy; baselines of no modality none."""
        if not fitted.system.uses:
            return
        for kind, copy in self.swapped.items():
            said = fitted.predict(copy, np.arange(len(copy)))
            named = {"variant": f"{SWAP}{kind}", "split": "test"}
            yield frame(self.inputs, self.rows, said, **named, **about)
        for kind in self.inputs.perturbations:
            copy = self.inputs.perturbed(kind)
            said = fitted.predict(copy, np.arange(len(copy)))
            named = {"variant": f"{PERTURB}{kind}", "split": "test"}
            yield frame(self.inputs, copy["row"], said, **named, **about)


def frame(inputs: Inputs, rows: np.ndarray, said: Scores, **about: object) -> pd.DataFrame:
    """Return predictions of some rows as a table."""
    known = {
        "id": inputs["id"][rows], "group": inputs["group"][rows], **about,
        "y_true": inputs["label"][rows].astype(np.int8), "score": said.score.astype(np.float32),
    }  # fmt: skip
    return pd.DataFrame(known, columns=TABLES["predictions"])


def weights(inputs: Inputs, rows: np.ndarray, said: Scores, one: Run) -> pd.DataFrame:
    """Return attention and similarity of some rows; no rows for a system that has neither."""
    if said.attention is None and said.similarity is None:
        return pd.DataFrame(columns=TABLES["attention"])
    missing = np.full((len(rows), 3), np.nan, np.float32)
    attention = missing if said.attention is None else said.attention
    similarity = missing[:, 0] if said.similarity is None else said.similarity
    table = pd.DataFrame(np.asarray(attention, np.float32), columns=["text", "image", "mixed"])
    table = table.assign(similarity=np.asarray(similarity, np.float32), id=inputs["id"][rows])
    return table.assign(system=one.system.name, seed=one.seed)[TABLES["attention"]]


def less(inputs: Inputs, share: float, seed: int) -> Inputs:
    """Return the inputs with a share of the training groups; the rest belongs to no split.

    With one seed, a smaller share is part of a larger one.
    """
    train = inputs.rows("train")
    groups = np.unique(inputs["group"][train])
    order = np.random.default_rng(seed).permutation(groups)
    chosen = order[: max(2, round(share * len(order)))]
    left_out = train[~np.isin(inputs["group"][train], chosen)]
    split = inputs["split"].astype(object).copy()
    split[left_out] = ""
    return replace(inputs, columns=dict(inputs.columns) | {"split": split})


def history_summary(histories: pd.DataFrame) -> pd.DataFrame:
    """Return epochs and best validation score by system: epochs and best, means over seeds."""
    plain = histories[(histories["variant"] == "") & (histories["protocol"] == STORY)]
    runs_ = plain.groupby(["system", "seed", "member"], sort=False)
    table = runs_.agg(epochs=("epoch", "size"), best=("validation", "max"))
    return table.groupby("system", sort=False).mean().reset_index()

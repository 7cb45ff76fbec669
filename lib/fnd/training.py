"""One training loop for every pair classifier, and what a trained system says of an article.

    loss = BCE(logit, y; weight of the positive class = n_0 / n_1) + w * (the teacher's, if any)

Weights are selected by validation rows; test rows are never read. Learning rates warm up and fall
as in `lib.training`; a killed run goes on after its last epoch, to the same bytes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from lib import paths
from lib.embeddings import digest_of
from lib.fnd.baselines import Rule, fit_baseline
from lib.fnd.inputs import Inputs
from lib.fnd.model.classifier import PairClassifier
from lib.fnd.model.descent import descend, outputs_of
from lib.fnd.model.feed import Feed, Fill, means
from lib.fnd.model.saving import ModelError, read_config, read_weights, write_model
from lib.fnd.model.settings import FndClipTraining, with_own
from lib.fnd.systems import MODALITIES, System
from lib.fnd.towers.tops import make_tops


@dataclass(frozen=True)
class Scores:
    """What a system says of n rows."""

    score: np.ndarray  # (n,) float32: probability of label 1 (Likely), after one sigmoid
    attention: np.ndarray | None  # (n, 3) of systems.MODALITIES; NaN where a tower is not there
    similarity: np.ndarray | None  # (n,) CLIP's cosine before the gate


@dataclass
class Fitted:
    """A trained system: the networks of its members, or a rule."""

    system: System
    seed: int
    history: list[dict[str, float]]  # member, epoch, loss, validation; none for a baseline
    members: list[PairClassifier] = field(default_factory=list)
    fill: Fill = field(default_factory=dict)  # what stands for a missing row of each array
    temperature: float = 1.0  # logits are divided by it
    rule: Rule | None = None

    def predict(self, inputs: Inputs, rows: np.ndarray) -> Scores:
        """Return probabilities of label 1; here, and nowhere else, is the sigmoid."""
        rows = np.asarray(rows)
        if self.rule is not None:
            return Scores(self.rule(inputs, rows).astype(np.float32), None, None)
        outputs = [outputs_of(one, self._feed(inputs, one, rows)) for one in self.members]
        logit = np.mean([one["logit"] for one in outputs], 0) / self.temperature
        score = 1 / (1 + np.exp(-np.clip(logit, -60, 60)))
        attention = similarity = None
        if "attention" in outputs[0]:
            attention = np.full((len(rows), len(MODALITIES)), np.nan, np.float32)
            places = [MODALITIES.index(name) for name in self.system.modalities]
            attention[:, places] = np.mean([one["attention"] for one in outputs], 0)
        if "similarity" in outputs[0]:
            similarity = outputs[0]["similarity"]
        return Scores(score.astype(np.float32), attention, similarity)

    def save(self, folder: Path, inputs: Inputs) -> None:
        """Write networks and config; ValueError for a baseline, which is fitted in no time."""
        if self.rule is not None:
            raise ValueError(f"{self.system.name}: a baseline has no weights to save")
        shapes = {name: list(inputs.features[name].shape[1:]) for name in self.system.needs}
        config = {
            "seed": self.seed, "temperature": self.temperature, "history": self.history,
            "shapes": shapes, "stands_in": inputs.stand_ins(self.system),
        }  # fmt: skip
        write_model(folder, self.system, self.members, self.fill, config)

    def _feed(self, inputs: Inputs, member: PairClassifier, rows: np.ndarray) -> Feed:
        device = next(member.parameters()).device
        needs = self.system.needs
        if self.system.teacher and self.system.gate == "none":
            # CLIP taught in training; the student does without
            needs = tuple(name for name in needs if not name.startswith("clip"))
        return Feed(inputs, needs, rows, self.fill, str(device))


def run(
    system: System,
    inputs: Inputs,
    seed: int,
    settings: FndClipTraining,
    protocol: str = "story",
    checkpoint: Path | None = None,
) -> Fitted:
    """Train a system on the protocol's train rows and select it by its validation rows.

    checkpoint: a file that a killed run goes on from (settings.checkpoints); removed at the end.
    ValueError for labels other than 0 and 1, or a split without one of them.
    """
    train, validation = (inputs.rows(split, protocol) for split in ("train", "validation"))
    _check(inputs, train, validation, protocol)
    system, settings = with_own(system, settings)
    if missing := inputs.lacks(system):
        raise ValueError(f"{system.name}: there is no {missing}")
    if system.kind == "baseline":
        return Fitted(system, seed, [], rule=fit_baseline(system, inputs, train, seed))
    fill = means(inputs, system.needs, train)
    feeds = [
        Feed(inputs, system.needs, rows, fill, settings.device) for rows in (train, validation)
    ]
    labels = [_labels(inputs, rows, settings.device) for rows in (train, validation)]
    members, history = [], []
    for number in range(settings.members if system.ensemble else 1):
        own_seed = seed if number == 0 else 1000 * (seed + 1) + number
        file = checkpoint.with_name(f"{checkpoint.name}.{number}") if checkpoint else None
        model, epochs = _fit(system, inputs, feeds, labels, own_seed, settings, file)
        members.append(model)
        history += [{"member": number, **row} for row in epochs]
    fitted = Fitted(system, seed, history, members, fill)
    if system.ensemble:
        logits = np.mean([outputs_of(one, feeds[1])["logit"] for one in members], 0)
        fitted.temperature = temperature_of(logits, labels[1].cpu().numpy())
    return fitted


def load(folder: Path, inputs: Inputs) -> Fitted:
    """Load what Fitted.save wrote, every tensor in its place; ModelError otherwise.

    `inputs` must be of the same towers: shapes and stand-ins are compared.
    """
    system, config = read_config(folder)
    if missing := inputs.lacks(system):
        raise ModelError(f"{paths.relative(folder)}: the inputs have no {missing}")
    shapes = {name: inputs.features[name].shape[1:] for name in system.needs}
    for name, shape in shapes.items():
        if list(shape) != config["shapes"][name]:
            made = tuple(config["shapes"][name])
            where = f"{paths.relative(folder)}: {name}"
            raise ModelError(f"{where}: trained on rows of shape {made}, these are {shape}")
    if config["stands_in"] != inputs.stand_ins(system):
        made, here = config["stands_in"], inputs.stand_ins(system)
        raise ModelError(f"{paths.relative(folder)}: trained on {made}; these are {here}")
    members = []
    for _ in range(config["members"]):
        tops = make_tops(system.needs, inputs.names, inputs.towers)
        member = PairClassifier(system, shapes, tops)
        member.teacher = None
        members.append(member.eval())
    fill = read_weights(folder, members)
    temperature = float(config["temperature"])
    return Fitted(system, config["seed"], config["history"], members, fill, temperature)


def temperature_of(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature with the least cross-entropy (Guo et al. 2017), within 1/20..20."""

    def loss(log_t: float) -> float:
        scaled = logits.astype(np.float64) / math.exp(log_t)
        return float(np.mean(np.logaddexp(0, scaled) - labels * scaled))

    limit = math.log(20)
    return math.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x)


def _fit(
    system: System,
    inputs: Inputs,
    feeds: list[Feed],
    labels: list[Tensor],
    seed: int,
    settings: FndClipTraining,
    checkpoint: Path | None,
) -> tuple[PairClassifier, list[dict[str, float]]]:
    """Train one network to its best epoch; return it and its history."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tops = make_tops(system.needs, inputs.names, inputs.towers)
        shapes = {name: inputs.features[name].shape[1:] for name in system.needs}
        model = PairClassifier(system, shapes, tops).to(settings.device)
        known = [asdict(system), asdict(settings), seed]
        key = digest_of([*known, _digest(feeds, labels)]) if settings.checkpoints else ""
        history = descend(model, feeds, labels, seed, settings, checkpoint, key)
    model.teacher = None
    return model.eval(), history


def _labels(inputs: Inputs, rows: np.ndarray, device: str) -> Tensor:
    return torch.from_numpy(inputs["label"][rows].astype(np.float32)).to(device)


def _check(inputs: Inputs, train: np.ndarray, validation: np.ndarray, protocol: str) -> None:
    """Raise ValueError for labels that are not 0 and 1 (1 is Likely), or a one-sided split."""
    for split, rows in (("train", train), ("validation", validation)):
        found = np.unique(inputs["label"][rows]).tolist()
        if found != [0, 1]:
            raise ValueError(f"{protocol} split {split}: labels must be 0 and 1, found {found}")


def _digest(feeds: list[Feed], labels: list[Tensor]) -> list[object]:
    """Return what tells one run's data from another's."""
    rows = [feed.rows.tolist() for feed in feeds]
    sums = [
        [name, float(tensor.double().sum()), list(tensor.shape)]
        for feed in feeds
        for name, tensor in sorted(feed.tensors.items())
    ]
    return [rows, [one.cpu().tolist() for one in labels], sums]

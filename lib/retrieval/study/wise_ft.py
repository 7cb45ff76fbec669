"""The 2022 study: zero-shot, fine-tuned and everything between, for one tuned source.

All choices are made on the source's validation split, by Recall@1 (the paper) and by MRR. What the
best choice on test would have been is reported beside them as regret, never used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors.torch import load_file

from lib import interpolation
from lib.retrieval.finetune.features import Interpolator, Weights, fixed
from lib.retrieval.study.inputs import Inputs, SetFeatures, TestSet
from lib.retrieval.study.scores import Ledger, Standing, plain
from lib.retrieval.topk import TopK, top_k

CRITERIA: dict[str, Callable[[Standing], float]] = {
    "recall@1": Standing.recall,
    "mrr": Standing.mrr,
}
VALIDATION, TEST = "validation", "test"


@dataclass(frozen=True)
class Candidate:
    """One point of a grid: its words, its alpha where it has one, and how to get its features."""

    system: str
    setting: str
    alpha: float
    features: Callable[[SetFeatures], tuple[np.ndarray, np.ndarray]]


def score(found: SetFeatures, candidate: Candidate, any_match: bool = False) -> Standing:
    """Rank a set by a candidate's features; see `scores.plain`."""
    return plain(*candidate.features(found), found.where, any_match)


def both(weights: Weights) -> Callable[[SetFeatures], tuple[np.ndarray, np.ndarray]]:
    """Return the features of one set of weights in both towers."""
    return lambda found: (found.text(weights), found.image(weights))


class TunedSource:
    """Everything about one tuned source: its sets, its grids, its choices."""

    def __init__(self, inputs: Inputs, run: str):
        """Open validation, own test and the tests where forgetting shows; run: its name."""
        self.inputs, self.run, self.settings = inputs, run, inputs.settings
        self.cache = inputs.cache(run)
        self.validation = self._set(run, VALIDATION)
        self.test = self._set(run, TEST)
        everywhere = (*self.settings.tuned, *self.settings.tests)
        names = self.settings.forgotten or everywhere
        self.elsewhere = [self._set(name, TEST) for name in names if name != run]

    @property
    def untouched(self) -> list[SetFeatures]:
        """Sets of which nobody else writes the zero-shot rows: the first source does, once."""
        s = self.settings
        if self.run != s.tuned[0] or s.encoder_2022 in s.encoders:
            return []
        return [found for found in self.elsewhere if found.where.name in s.tests]

    def _set(self, name: str, split: str) -> SetFeatures:
        return SetFeatures(self.inputs.test(name, split), self.inputs, self.cache)

    def seeds(self) -> tuple[int, ...]:
        """Seeds of the order of the batches."""
        return self.inputs.finetune.seeds

    def between(self, seed: int) -> Interpolator:
        """Return the weights of one seed."""
        return Interpolator(self.cache.towers, self.inputs.theta(self.run, seed))

    def grids(self, between: Interpolator) -> dict[str, list[Candidate]]:
        """Return the candidates of every system that has a grid; ends are part of each."""
        s, zero, one = self.settings, between.at(0.0), between.at(1.0)
        at = {a: between.at(a) for a in sorted({*s.alphas, *s.tower_alphas})}

        def tower(i: float, t: float) -> Callable:
            return lambda found: (found.text(at[t]), found.image(at[i]))

        return {
            "wise_ft": [
                Candidate(_system(a), f"alpha={a:g}", a, both(at[a])) for a in s.alphas
            ],
            "per_tower": [
                Candidate("per_tower", f"image={i:g} text={t:g}", np.nan, tower(i, t))
                for i in s.tower_alphas
                for t in s.tower_alphas
            ],
            "lines": [
                Candidate("lines", f"alpha={a:g} beta={b:g}", np.nan, both(between.lines(a, b)))
                for a in s.line_alphas
                for b in s.line_betas
                if a + b <= 1 + 1e-9
            ],
            "embedding_ensemble": [
                Candidate(
                    "embedding_ensemble", f"weight={w:g}", np.nan,
                    lambda found, w=w: found.mixed(zero, one, w),
                )
                for w in s.ensemble_weights
            ],
        }  # fmt: skip

    def soup(self, criterion: str) -> Candidate:
        """Return the greedy soup over all epochs kept and all seeds, by a validation criterion."""
        towers, files = self.cache.towers, {}
        for seed in self.seeds():
            folder = self.inputs.theta(self.run, seed).parent
            found = {"best": folder / "theta1.safetensors"}
            found |= {file.stem: file for file in sorted(folder.glob("epoch*.safetensors"))}
            files |= {f"seed{seed}/{name}": file for name, file in found.items()}
        states = {name: load_file(file) for name, file in files.items()}
        names = {id(state): name for name, state in states.items()}
        digests = [Interpolator(towers, file).digest for file in files.values()]
        trial = iter(range(10**6))

        def held_out(state: Any) -> float:
            parts = [towers.digest, *digests, "soup", names.get(id(state), next(trial)), criterion]
            candidate = Candidate("greedy_soup", "", np.nan, both(fixed(state, parts)))
            return CRITERIA[criterion](score(self.validation, candidate))

        made = interpolation.greedy_soup(states, held_out)
        weights = fixed(made.state, [towers.digest, *digests, "soup", "kept", *made.kept])
        return Candidate("greedy_soup", " + ".join(made.kept), np.nan, both(weights))


def _system(alpha: float) -> str:
    return {0.0: "zero_shot", 1.0: "fine_tuned"}.get(alpha, "wise_ft")


def choose(scores: np.ndarray) -> int:
    """Return the first of the best candidates, so of equal ones the least fine-tuned."""
    return int(np.argmax(np.round(scores, 9)))


@dataclass(frozen=True)
class Choices:
    """What one tuned source gives besides the rows of queries."""

    selections: list[dict[str, Any]]
    grid: list[dict[str, Any]]
    lists: list[tuple[dict[str, Any], TestSet, TopK]]


def study(inputs: Inputs, run: str, ledger: Ledger) -> Choices:
    """Score every system of one tuned source into `ledger`; return the choices made."""
    source = TunedSource(inputs, run)
    out = Choices([], [], [])
    for seed in source.seeds():
        for system, grid in source.grids(source.between(seed)).items():
            _one_grid(source, system, grid, seed, ledger, out)
    soups: dict[str, Candidate] = {name: source.soup(name) for name in CRITERIA}
    for criterion, candidate in soups.items():
        scores = _means(source, [candidate])
        _record(out, source, "greedy_soup", [candidate], scores, -1, criterion)
    for candidate in {c.setting: c for c in soups.values()}.values():
        _rows(source, candidate, -1, ledger)
    return out


def _one_grid(
    source: TunedSource,
    system: str,
    grid: list[Candidate],
    seed: int,
    ledger: Ledger,
    out: Choices,
) -> None:
    """Score a grid on validation and own test, choose, and add the rows of what was chosen."""
    scores = _means(source, grid)
    out.grid.extend(_grid_rows(source, system, grid, scores, seed))
    chosen = [_record(out, source, system, grid, scores, seed, criterion) for criterion in CRITERIA]
    shown = grid if system == "wise_ft" else [grid[i] for i in dict.fromkeys(chosen)]
    for candidate in shown:
        _rows(source, candidate, seed, ledger)
    if system == "wise_ft" and seed == source.seeds()[0]:
        ends = [i for i, c in enumerate(grid) if c.alpha in (0.0, 1.0)]
        for i in dict.fromkeys([*ends, *chosen]):
            _list(source, grid[i], seed, out)


def _means(source: TunedSource, grid: list[Candidate]) -> dict[str, np.ndarray]:
    """Return "split criterion" -> (candidates,) means on validation and own test."""
    out: dict[str, list[float]] = {f"{s} {c}": [] for s in (VALIDATION, TEST) for c in CRITERIA}
    for candidate in grid:
        for split, found in ((VALIDATION, source.validation), (TEST, source.test)):
            if not len(found.where.known):
                continue  # a blind test set
            made = score(found, candidate)
            for criterion, mean in CRITERIA.items():
                out[f"{split} {criterion}"].append(mean(made))
    blind = [np.nan] * len(grid)
    return {name: np.array(values or blind) for name, values in out.items()}


def _record(
    out: Choices,
    source: TunedSource,
    system: str,
    grid: list[Candidate],
    scores: dict[str, np.ndarray],
    seed: int,
    criterion: str,
) -> int:
    """Choose on validation, note the choice with its regret, and return its place."""
    place = choose(scores[f"{VALIDATION} {criterion}"])
    test = scores[f"{TEST} {criterion}"]
    best = int(np.nanargmax(test)) if np.isfinite(test).any() else place
    out.selections.append(
        {
            "tuned": source.run, "seed": seed, "criterion": criterion, "system": system,
            "setting": grid[place].setting, "alpha": grid[place].alpha,
            "validation": scores[f"{VALIDATION} {criterion}"][place],
            "test_mrr": scores[f"{TEST} mrr"][place],
            "test_recall@1": scores[f"{TEST} recall@1"][place],
            "best_setting": grid[best].setting, "best_test": test[best],
            "regret": test[best] - test[place], "candidates": len(grid),
        }
    )  # fmt: skip
    return place


def _grid_rows(
    source: TunedSource,
    system: str,
    grid: list[Candidate],
    scores: dict[str, np.ndarray],
    seed: int,
) -> Iterator[dict[str, Any]]:
    """Yield every candidate's means: what the surface over two alphas is drawn from."""
    for place, candidate in enumerate(grid):
        known = {"tuned": source.run, "seed": seed, "system": system}
        known |= {"setting": candidate.setting, "alpha": candidate.alpha}
        yield known | {
            name.replace(" ", "_"): float(values[place]) for name, values in scores.items()
        }


def _rows(source: TunedSource, candidate: Candidate, seed: int, ledger: Ledger) -> None:
    """Add a candidate's rows on all sets; zero-shot is the same for all seeds: once a source."""
    zero = candidate.system == "zero_shot"
    if zero and seed != source.seeds()[0]:
        return
    known = {
        "system": candidate.system, "encoder": source.settings.encoder_2022,
        "tuned": "" if zero else source.run, "seed": -1 if zero else seed,
        "setting": candidate.setting, "alpha": candidate.alpha,
    }  # fmt: skip
    elsewhere = source.elsewhere if not zero else source.untouched
    for found in (source.validation, source.test, *elsewhere):
        if len(found.where.known):
            ledger.add(found.where, score(found, candidate, True).columns(), **known)


def _list(source: TunedSource, candidate: Candidate, seed: int, out: Choices) -> None:
    """Keep the ranked list of a main system on the source's own test."""
    text, image = candidate.features(source.test)
    found = top_k(text, image, source.settings.top)
    zero = candidate.system == "zero_shot"
    config = {"system": candidate.system, "tuned": "" if zero else source.run}
    config |= {"alpha": candidate.alpha, "seed": -1 if zero else seed, "method": "plain"}
    config |= {"temperature": np.nan, "encoder": source.settings.encoder_2022}
    out.lists.append((config, source.test.where, found))

"""Every run of the study: which there are, each made once, killed ones made again.

A run is a system with a ratio of labels, a draw of the labelled rows and a seed. What it gives is
kept in a scratch folder under a name made of everything that it depends on (features, settings,
code), so that a killed study goes on and a changed one starts anew. Runs share nothing but the
auto-encoders, so they are spread over processes of one thread each.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from tqdm import tqdm

from lib import fingerprint
from lib.memes.rivals.features import read_features
from lib.memes.systems import SYSTEMS, Fitted, Inputs, Settings, System, fit_seeds, gamma_sweep
from lib.memes.systems.cooking import COOKED
from lib.workers import worker_count, worker_pool

CODE = "lib.memes.systems"
PLAIN = ("image", "text", *COOKED)  # blocks made of the features of picture and text
TRAINED = ("linear", "activated", "translated", "residual")  # blocks that need the auto-encoders


@dataclass(frozen=True)
class Job:
    """One run; `draw` is the seed that chose the labelled rows."""

    system: System
    ratio: float
    draw: int
    seed: int

    @property
    def variant(self) -> str:
        """Point of a sweep, or another draw than the study's own."""
        return self.system.variant

    def name(self) -> str:
        """File name of what it gives, without what all runs depend on."""
        known = json.dumps([asdict(self.system), self.ratio, self.draw, self.seed])
        mark = hashlib.sha256(known.encode()).hexdigest()[:12]
        return f"{self.system.name}-{self.ratio:g}-{self.draw}-{self.seed}-{mark}"


@dataclass(frozen=True)
class Plan:
    """What is run; part of the settings of the study."""

    ratios: tuple[float, ...]
    main_seeds: tuple[int, ...]
    other_seeds: tuple[int, ...]
    draw: int
    more_draws: tuple[int, ...]
    draw_ratios: tuple[float, ...]
    drawn_systems: tuple[str, ...]
    sweep_ratios: tuple[float, ...]
    step_gammas: tuple[float, ...]
    focal_gammas: tuple[float, ...]
    left_out: tuple[str, ...]


def jobs(plan: Plan) -> list[Job]:
    """All runs: every system at every ratio, other draws of some systems, the sweeps of gamma.

    ValueError for a system that there is not.
    """
    for key in ("drawn_systems", "left_out"):
        if unknown := [name for name in getattr(plan, key) if name not in SYSTEMS]:
            raise ValueError(f"{key}: {unknown[0]!r} is none of {', '.join(SYSTEMS)}")
    used = [system for name, system in SYSTEMS.items() if name not in plan.left_out]
    made = [Job(s, ratio, plan.draw, seed)
            for ratio in plan.ratios for s in used for seed in _seeds(s, plan)]  # fmt: skip
    made += [
        Job(replace(SYSTEMS[name], variant=f"draw={draw}"), ratio, draw, seed)
        for draw in plan.more_draws
        for ratio in plan.draw_ratios
        for name in plan.drawn_systems
        for seed in plan.other_seeds
    ]
    swept = gamma_sweep(plan.step_gammas, plan.focal_gammas)
    made += [
        Job(system, ratio, plan.draw, seed)
        for ratio in plan.sweep_ratios
        for system in swept
        for seed in plan.other_seeds
    ]
    return made


def _seeds(system: System, plan: Plan) -> tuple[int, ...]:
    chosen = {"main": plan.main_seeds, "other": plan.other_seeds, "single": plan.other_seeds[:1]}
    return chosen[system.seeds]


@dataclass(frozen=True)
class Source:
    """What runs are trained on; goes to every process."""

    inputs: Inputs  # features of picture and text; copies of some rows may stand at the end
    rows: int  # without the copies
    pairs: str  # parquet file that the features below belong to
    features: str  # folder of what other systems read (lib.memes.rivals.features)

    @cached_property
    def wide(self) -> Inputs:
        """The rows without copies, with the features that rivals read, memory-mapped."""
        n, one = self.rows, self.inputs
        arrays = read_features(self.features, self.pairs).arrays
        return Inputs(one.image[:n], one.text[:n], one.targets[:n], one.split[:n], one.group[:n],
                      arrays)  # fmt: skip

    def of(self, system: System) -> Inputs:
        """The inputs that a system needs."""
        return self.wide if set(system.features) - set(PLAIN) else self.inputs

    def digest(self, settings: Settings) -> str:
        """Name of everything that all runs depend on: features, labels, settings, code."""
        found = hashlib.sha256()
        for name in ("image", "text", "targets"):
            array = np.ascontiguousarray(getattr(self.inputs, name))
            found.update(f"{name} {array.shape} {array.dtype}".encode())
            found.update(array.data)
        manifest = read_features(self.features, self.pairs).manifest
        names = [getattr(self.inputs, name).tolist() for name in ("split", "group")]
        for known in (names, manifest, asdict(settings)):
            found.update(json.dumps(known, sort_keys=True, default=str).encode())
        found.update(fingerprint.fingerprint(CODE).encode())
        return found.hexdigest()[:16]


def run_all(
    source: Source,
    settings: Settings,
    wanted: Sequence[Job],
    folder: Path,
    workers: int = 1,
) -> Iterator[tuple[Job, Fitted]]:
    """Make the runs that `folder` lacks, then yield all in the order asked for.

    workers: processes; they do not change a byte.
    """
    folder = folder / source.digest(settings)
    folder.mkdir(parents=True, exist_ok=True)
    missing = _missing(wanted, folder)
    number = min(worker_count(workers), len(missing))
    with tqdm(total=len(wanted), initial=len(wanted) - len(missing), desc="runs") as bar:
        for _ in _spread(source, settings, missing, folder, number):
            bar.update()
    for job in wanted:
        yield job, load(folder / f"{job.name()}.safetensors")


def _missing(wanted: Sequence[Job], folder: Path) -> list[Job]:
    """Runs to make: those without a file, and those that train beside them.

    Seeds that train together agree with others only to rounding, so they are made together.
    """
    lacking = {
        (job.system, job.ratio, job.draw)
        for job in wanted
        if not (folder / f"{job.name()}.safetensors").is_file()
    }
    return [job for job in wanted if (job.system, job.ratio, job.draw) in lacking]


def _spread(
    source: Source, settings: Settings, missing: Sequence[Job], folder: Path, workers: int
) -> Iterator[None]:
    """Make the missing runs, in this process or in several; yields once a run."""
    threads = torch.get_num_threads()
    if workers < 2:
        torch.set_num_threads(1)
        try:
            for task in _tasks(missing):
                for part in task:
                    _make(part, source, settings, folder)
                    yield from [None] * len(part)
        finally:
            torch.set_num_threads(threads)
        return
    bare = replace(source, inputs=replace(source.inputs, memo={}))  # without tensors made here
    given = (bare, settings, folder)
    with worker_pool(workers, _begin, given) as pool:
        for made in pool.imap_unordered(_several, _tasks(missing)):
            yield from [None] * made


def _tasks(missing: Sequence[Job]) -> list[list[list[Job]]]:
    """What one process does in one go: lists of jobs that differ by their seed alone.

    Those that share auto-encoders are one task; the longest tasks come first.
    """
    parts: dict[tuple[System, float, int], list[Job]] = {}
    for job in missing:
        parts.setdefault((job.system, job.ratio, job.draw), []).append(job)
    cooked: dict[tuple[float, int], list[list[Job]]] = {}
    alone = []
    for (system, ratio, draw), part in parts.items():
        if set(system.features) & set(TRAINED):
            cooked.setdefault((ratio, draw), []).append(part)
        else:
            alone.append([part])
    several = sorted(cooked.values(), key=lambda task: -sum(map(len, task)) * task[0][0].ratio)
    return several + sorted(alone, key=lambda task: -task[0][0].ratio)


_state: dict[str, Any] = {}  # of a worker process


def _begin(source: Source, settings: Settings, folder: Path) -> None:
    torch.set_num_threads(1)
    _state.update(source=source, settings=settings, folder=folder)


def _several(task: Sequence[list[Job]]) -> int:
    for part in task:
        _make(part, _state["source"], _state["settings"], _state["folder"])
    return sum(map(len, task))


def _make(part: Sequence[Job], source: Source, settings: Settings, folder: Path) -> None:
    """Train one system on one draw with each seed."""
    first = part[0]
    inputs = source.of(first.system)
    draw, seeds = inputs.draw(first.ratio, first.draw), [job.seed for job in part]
    for job, fitted in zip(part, fit_seeds(first.system, inputs, draw, seeds, settings),
                           strict=True):  # fmt: skip
        save(fitted, folder / f"{job.name()}.safetensors")


def save(fitted: Fitted, file: Path) -> None:
    """Write one run whole: scores as a tensor, history and parameter count beside it."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    known = {"history": fitted.history, "parameters": fitted.parameters}
    scores = np.ascontiguousarray(fitted.scores, np.float32)
    save_file({"scores": scores}, part, metadata={"run": json.dumps(known)})
    os.replace(part, file)


def load(file: Path) -> Fitted:
    """Read one run back."""
    with safe_open(file, "np") as kept:
        known = json.loads(kept.metadata()["run"])
        scores = kept.get_tensor("scores")
    return Fitted(scores, known["history"], known["parameters"])

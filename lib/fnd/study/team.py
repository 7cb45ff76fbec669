"""Makes the runs of a study that are missing: first the search for learning rates, then all.

Runs share nothing, so they are spread over processes; on a CPU each has one thread, with which
small heads train as fast as with all, and numbers do not depend on how many cores there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm.auto import tqdm

from lib.encoders import one_thread_each
from lib.fnd import OUTLET, STORY
from lib.fnd.inputs import PROTOCOLS, Inputs
from lib.fnd.study import search
from lib.fnd.study.plan import FndStudy
from lib.fnd.study.runs import Cache, Changed, Run, Tables, make, planned
from lib.fnd.systems import System
from lib.fnd.training import FndClipTraining
from lib.workers import worker_count, worker_pool

Task = tuple[Run, Path | None]  # a run, and the folder that its weights are saved in
Spread = Callable[[Iterable[Task]], Iterator[str]]  # does tasks, yields each one's name when done


@dataclass(frozen=True)
class Work:
    """What every run works on; goes to every process."""

    inputs: Inputs
    settings: FndClipTraining
    plan: FndStudy
    cache: Cache
    models: Path

    def kept(self, one: Run) -> Path | None:
        """Return the folder that a run's weights are saved in; None where they are not."""
        if one.system.name in self.plan.keep and one.protocol == STORY and one.share == 1:
            return self.models / one.system.name / f"seed{one.seed}"
        return None

    def do(self, task: Task, changed: Changed) -> str:
        """Make one run, put it into the cache and return its name."""
        one, model = task
        made = make(one, self.inputs, self.settings, changed, self.cache.checkpoint(one), model)
        self.cache.keep(one, made)
        return one.name


def all_runs(work: Work, systems: list[System]) -> tuple[list[Tables], pd.DataFrame]:
    """Return the tables of every run, and the search; runs in the cache are not made again."""
    tried = list(search.candidates(systems, work.settings))
    with _team(work) as spread:
        _finish(work, [(one, None) for one in tried], spread, "learning rates")
        found = search.choose([(one, work.cache.read(one)) for one in tried])
        todo = list(planned(systems, work.settings, work.plan, search.rates(found)))
        outlets = OUTLET in work.settings.protocols and PROTOCOLS[OUTLET] in work.inputs.columns
        todo = [one for one in todo if one.protocol == STORY or outlets]
        _finish(work, [(one, work.kept(one)) for one in todo], spread, "systems")
    return [work.cache.read(one) for one in todo], found


def _finish(work: Work, tasks: list[Task], spread: Spread, title: str) -> None:
    """Do the tasks whose run is not in the cache, or whose weights are not where they belong."""
    missing = [
        (one, model)
        for one, model in tasks
        if one not in work.cache or (model is not None and not model.is_dir())
    ]
    done = len(tasks) - len(missing)
    with tqdm(total=len(tasks), initial=done, desc=title, unit="run") as bar:
        for name in spread(missing):
            bar.set_postfix_str(name)
            bar.update()


@contextmanager
def _team(work: Work) -> Iterator[Spread]:
    """Give what makes runs: this process, or on a CPU as many as the plan says."""
    number = worker_count(work.plan.workers)
    if number < 2 or work.settings.device != "cpu":
        changed = Changed(work.inputs, work.plan)
        with one_thread_each(work.settings.device):
            yield lambda tasks: (work.do(task, changed) for task in tasks)
        return
    with worker_pool(number, _begin, (work,)) as pool:
        yield lambda tasks: pool.imap_unordered(_do, tasks)


_state: dict[str, Any] = {}  # of a worker process


def _begin(work: Work) -> None:
    torch.set_num_threads(1)
    _state.update(work=work, changed=Changed(work.inputs, work.plan))


def _do(task: Task) -> str:
    return _state["work"].do(task, _state["changed"])

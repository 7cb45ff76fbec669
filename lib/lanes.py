"""Lanes: stages that do not need each other run side by side, each by its own `dvc repro`.

DVC runs one stage after another, and leaves it to the user to start several runs of parts of a
pipeline at once; its locks keep them apart. Here its graph says what may start: of the stages whose
inputs stand, the one with the longest chain behind it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TextIO

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage import Stage
from networkx import ancestors, descendants

BAR = re.compile(r"\d+%\||\d+it \[")  # what tqdm draws
PAUSE = 15.0  # seconds between two states of a bar


@dataclass(frozen=True)
class Step:
    """A stage that has to run: those it waits for, and about how long it takes."""

    needs: frozenset[str] = frozenset()
    minutes: float = 0.3  # `meta: {minutes: ...}` in dvc.yaml; only the order depends on it


def outdated(root: Path, targets: Sequence[str] = ()) -> dict[str, Step]:
    """Return each stage that has to run, or is behind one that has, in the order of dvc.yaml.

    With targets (stages or groups of them) only these and what they need. Empty if all is up to
    date. Raises DvcException for a pipeline that DVC cannot read, or a target that there is not.
    """
    with Repo(str(root)) as repo:
        changed = set(repo.status())
        graph = repo.index.graph  # a stage leads to those that it needs
        wanted = {stage for stage in graph if stage.addressing in changed}
        wanted |= {stage for one in wanted for stage in ancestors(graph, one)}
        if targets:
            asked = _named(graph, targets)
            wanted &= asked | {stage for one in asked for stage in descendants(graph, one)}
        return {
            stage.name: Step(
                frozenset(needed.name for needed in graph.successors(stage) if needed in wanted),
                **(stage.meta or {}),
            )
            for stage in repo.index.stages
            if stage in wanted
        }


def _named(stages: Iterable[Stage], targets: Sequence[str]) -> set[Stage]:
    """Return the stages of these names, or groups; DvcException for one that there is not."""
    found: set[Stage] = set()
    for target in targets:
        some = {one for one in stages if target in (one.name, one.name.partition("@")[0])}
        if not some:
            raise DvcException(f"{target}: no stage or group of dvc.yaml")
        found |= some
    return found


def heights(steps: Mapping[str, Step]) -> dict[str, float]:
    """Return the minutes of the longest chain that begins with each stage."""

    @cache
    def height(name: str) -> float:
        behind = [other for other, step in steps.items() if name in step.needs]
        return steps[name].minutes + max(map(height, behind), default=0.0)

    return {name: height(name) for name in steps}


def run(steps: Mapping[str, Step], lanes: int, start: Callable[[str, bool], int]) -> list[str]:
    """Call `start(name, alone)` for every stage, at most `lanes` at once; return those that failed.

    `alone` tells that there is less to do beside this stage than in it, so that other lanes would
    soon stand empty: it may have all cores. After a failure nothing new starts, but what runs goes
    on to its end, so its work is kept.
    """
    first = heights(steps)
    left, done, failed = list(steps), set(), []
    running: dict[Future[int], str] = {}
    with ThreadPoolExecutor(lanes) as pool:
        while running or (left and not failed):
            ready = [name for name in left if steps[name].needs <= done]
            if ready and len(running) < lanes and not failed:
                name = max(ready, key=first.__getitem__)  # of equals, the first in dvc.yaml
                left.remove(name)
                beside = {*left, *running.values()} - _behind(name, steps)
                alone = sum(steps[other].minutes for other in beside) < steps[name].minutes
                running[pool.submit(start, name, alone)] = name
                continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                done.add(name)
                if future.result():
                    failed.append(name)
    return failed


def _behind(name: str, steps: Mapping[str, Step]) -> set[str]:
    """Return the stages that need one, directly or not."""
    found = {other for other, step in steps.items() if name in step.needs}
    return found.union(*(_behind(other, steps) for other in found))


class Labelled:
    """A text stream for the lines of one stage: its name before each, progress bars now and then.

    Two bars that redraw themselves on one terminal line would hide each other.
    """

    def __init__(self, out: TextIO, name: str, clock: Callable[[], float] = time.monotonic):
        """Write to `out` for the stage `name`."""
        self.out, self.name, self.clock = out, name, clock
        self.shown = clock()

    def write(self, line: str) -> None:
        """Write one line, unless it is empty or the state of a bar too soon after another."""
        if BAR.search(line):
            if self.clock() - self.shown < PAUSE:
                return
            self.shown = self.clock()
        if line.strip():
            self.out.write(f"{self.name} | {line.rstrip()}\n")

    def flush(self) -> None:
        """Flush the stream behind."""
        self.out.flush()

"""One run of the whole pipeline: `dvc repro`, its minutes, and where the report is.

    python -m lib.pipeline [stages]     side by side, as many as machine.lanes says; none: all
    python -m lib.pipeline --option...  one `dvc repro` with these arguments

A run that was stopped or killed is gone on with: finished stages are kept, the one in the middle
is made again (`embed` keeps its finished blocks).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import psutil
from dvc.exceptions import DvcException

from lib import budget, lanes, params
from lib.machine import SECTION, Machine
from lib.paths import ROOT
from lib.workers import SHARE

CONFIG = "params.yaml"
LANE_BYTES = 5 * 2**30  # memory of the largest stage of the sample, its processes together
ADVICE = "the reason is above; `make repro` goes on from here"


class PipelineError(RuntimeError):
    """The pipeline cannot run or did not finish; one line says why."""


def clear_lock(root: Path) -> list[str]:
    """Remove what killed runs left in DVC's lock file; return a line for each thing removed.

    DVC itself forgets dead processes, but stops at a file cut off in the middle, and at a process
    number that another program has been given since. Raises PipelineError when a run is going on.
    """
    path = root / ".dvc" / "tmp" / "rwlock"
    if not path.is_file() or not path.stat().st_size:
        return []
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        path.unlink()
        return ["removed DVC's lock file, which a killed run left unreadable"]
    holders = [holder for readers in lock.get("read", {}).values() for holder in readers]
    holders += lock.get("write", {}).values()
    for number in sorted({holder["pid"] for holder in holders}):
        if is_dvc(number):
            raise PipelineError(
                f"another run is going on (process {number}); wait for it, or end it: kill {number}"
            )
    if holders:
        path.unlink()
        return ["removed what a killed run had left in DVC's lock file"]
    return []


def is_dvc(number: int) -> bool:
    """Tell whether a process of this number is running and is a DVC command."""
    try:
        process = psutil.Process(number)
        return process.status() != psutil.STATUS_ZOMBIE and "dvc" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


# glibc hands large buffers back to the system after every batch, which then faults each page in
# anew: a fifth of the time of `embed`. With these it keeps them; other systems ignore both.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}


def environment(profile: str) -> dict[str, str]:
    """Return the variables for the stages: our programs first, nothing from a hub for a sample."""
    variables = dict(os.environ, DVC_NO_ANALYTICS="true", PYTHONHASHSEED="0")
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    variables["TOKENIZERS_PARALLELISM"] = "false"
    variables = MALLOC | variables
    if profile != "paper":
        variables["HF_HUB_OFFLINE"] = "1"
    return variables


def reproduce(root: Path, arguments: Sequence[str], name: str = "", cores: int = 0) -> int:
    """Run `dvc repro`, waiting for its end even when the terminal sends an interrupt.

    With `name`, only that stage and every line after its name. With `cores`, a stage starts no
    more processes or threads than that. The seconds of each stage that ran are kept (lib.budget).
    Returns the exit code.
    """
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    out: lanes.Labelled | TextIO = sys.stdout
    options: dict[str, Any] = {}
    if name:
        command[3:] = ["--wait-for-lock", "repro", "--single-item", name, *arguments]
        out, options = lanes.Labelled(sys.stdout, name), {"stderr": subprocess.STDOUT}
    profile = params.profile(root / CONFIG)
    with subprocess.Popen(
        command,
        cwd=root,
        env=environment(profile) | ({SHARE: str(cores)} if cores else {}),
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
        **options,
    ) as process:
        seconds = budget.follow(process.stdout, out)
    budget.keep(seconds, profile, root)
    return process.returncode


def lanes_that_fit(wanted: int, available: int) -> int:
    """Return how many stages may run at once with `available` bytes of memory; at least one."""
    return max(1, min(wanted, available // LANE_BYTES))


def side_by_side(root: Path, count: int, targets: Sequence[str] = ()) -> None:
    """Run every stage that is out of date, `count` at once; PipelineError names those that failed.

    With `targets`, only these and what they need. Stages share the cores. DVC has the last word:
    its own run finds nothing left to do.
    """
    share = max(1, (os.cpu_count() or 1) // count)

    def start(name: str, alone: bool) -> int:
        return reproduce(root, (), name, 0 if alone else share)

    try:
        steps = lanes.outdated(root, targets)
    except DvcException as error:
        raise PipelineError(" ".join(str(error).split())) from None
    if not steps:
        print("Data and pipelines are up to date.")
        return
    print(f"{len(steps)} stages to look at, {count} at once; a line begins with its stage")
    if failed := lanes.run(steps, count, start):
        raise PipelineError(f"stopped at {' and '.join(failed)}; {ADVICE}")
    if code := reproduce(root, ["--quiet", *targets]):
        raise PipelineError(f"stopped (dvc repro: {code}); {ADVICE}")


def main() -> None:
    """Run the pipeline, or `dvc repro` with the options given; end with where the report is."""
    begun = time.monotonic()
    before = signal.signal(signal.SIGINT, lambda *_: None)  # DVC has it too, and tidies up
    try:
        for line in clear_lock(ROOT):
            print(f"pipeline: {line}")
        settings = params.read(ROOT / CONFIG)
        machine = params.load(ROOT / CONFIG, SECTION, Machine)
        arguments = sys.argv[1:]
        wanted = 1 if any(one.startswith("-") for one in arguments) else machine.lanes
        count = lanes_that_fit(wanted, psutil.virtual_memory().available)
        if count < wanted:
            print(f"pipeline: memory for {count} of {wanted} stages at once")
        if count > 1:
            side_by_side(ROOT, count, arguments)
        elif code := reproduce(ROOT, arguments):
            raise PipelineError(f"stopped (dvc repro: {code}); {ADVICE}")
        if not (ROOT / settings["index"]).is_file():
            raise PipelineError(f"the pipeline ended without {settings['index']}")
    except (PipelineError, params.ParamsError) as error:
        sys.exit(f"pipeline: {error}")
    finally:
        signal.signal(signal.SIGINT, before)
    print(f"Pipeline took {(time.monotonic() - begun) / 60:.1f} minutes (make budget: where)")
    print(f"The report: {settings['index']} (open it in a browser; it needs no network)")


if __name__ == "__main__":
    main()

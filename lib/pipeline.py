"""One run of the whole pipeline: `dvc repro`, its minutes, and where the report is.

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
from pathlib import Path

import psutil

from lib import budget, params
from lib.paths import ROOT

CONFIG = "params.yaml"


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


def reproduce(root: Path, arguments: list[str]) -> int:
    """Run `dvc repro`, waiting for its end even when the terminal sends an interrupt.

    The seconds of each stage that ran are kept (lib.budget).
    """
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    before = signal.signal(signal.SIGINT, lambda *_: None)  # DVC has it too, and tidies up
    try:
        profile = params.profile(root / CONFIG)
        variables = environment(profile)
        with subprocess.Popen(
            command, cwd=root, env=variables, stdout=subprocess.PIPE, text=True
        ) as process:
            seconds = budget.follow(process.stdout, sys.stdout)
        budget.keep(seconds, profile, root)
        return process.returncode
    finally:
        signal.signal(signal.SIGINT, before)


def main() -> None:
    """Run the pipeline with the options of `dvc repro`; end with where the report is."""
    begun = time.monotonic()
    try:
        for line in clear_lock(ROOT):
            print(f"pipeline: {line}")
        if code := reproduce(ROOT, sys.argv[1:]):
            raise PipelineError(
                f"stopped (dvc repro: {code}); the reason is above; `make repro` goes on from here"
            )
        report = params.read(ROOT / CONFIG)["index"]
        if not (ROOT / report).is_file():
            raise PipelineError(f"the pipeline ended without {report}")
    except (PipelineError, params.ParamsError) as error:
        sys.exit(f"pipeline: {error}")
    print(f"Pipeline took {(time.monotonic() - begun) / 60:.1f} minutes (make budget: where)")
    print(f"The report: {report} (open it in a browser; it needs no network)")


if __name__ == "__main__":
    main()

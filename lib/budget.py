"""Where the minutes of a run go: seconds a stage as the pipeline saw them, memory as stages noted.

    python -m lib.budget        the table of the profile that params.yaml holds

Kept beside the run records in artefacts/<profile>/runs, outside every output: times differ from run
to run, and a report must not.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

import pandas as pd

from lib import params
from lib.paths import ROOT

BEGINS = re.compile(r"Running stage '(?P<name>[^']+)'")
ENDS = re.compile(r"Stage '[^']+' (?:didn't change|is cached)|Updating lock file|Use `dvc push`")
FILE = "pipeline.json"
KEEPING = threading.Lock()  # lanes end when they like


def follow(
    lines: Iterable[str], out: TextIO, clock: Callable[[], float] = time.monotonic
) -> dict[str, float]:
    """Pass the lines of `dvc repro` on; return the seconds of each stage that ran to its end."""
    seconds: dict[str, float] = {}
    name, begun = "", 0.0
    for line in lines:
        out.write(line)
        out.flush()
        begins = BEGINS.search(line)
        if name and (begins or ENDS.search(line)):
            seconds[name], name = clock() - begun, ""
        if begins:
            name, begun = begins["name"], clock()
    return seconds


def keep(seconds: dict[str, float], profile: str, root: Path = ROOT) -> None:
    """Note the seconds of the stages that ran, beside those of earlier runs."""
    if not seconds:
        return
    file = root / "artefacts" / profile / "runs" / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    with KEEPING:
        known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        known |= {name: round(value, 1) for name, value in seconds.items()}
        part = file.with_name(f".{file.name}.{os.getpid()}.part")
        part.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(part, file)


def table(profile: str, root: Path = ROOT) -> pd.DataFrame:
    """Seconds of each stage when it last ran: stage, seconds, share; the longest first."""
    folder = root / "artefacts" / profile / "runs"
    seconds = json.loads((folder / FILE).read_text(encoding="utf-8"))
    rows = pd.DataFrame(seconds.items(), columns=["stage", "seconds"])
    rows["share"] = rows["seconds"] / rows["seconds"].sum()
    return rows.sort_values(["seconds", "stage"], ascending=[False, True], ignore_index=True)


def memory(profile: str, root: Path = ROOT) -> pd.DataFrame:
    """What each run record noted: record, stage, seconds, peak_memory_mb, device."""
    records = sorted((root / "artefacts" / profile / "runs").glob("*.json"))
    rows = []
    for file in records:
        record = json.loads(file.read_text(encoding="utf-8"))
        if "observed" in record:
            seen, fixed = record["observed"], record["fixed"]
            memory_mb = seen["peak_memory_mb"]
            rows.append((file.stem, fixed["stage"], seen["seconds"], memory_mb, fixed["device"]))
    return pd.DataFrame(rows, columns=["record", "stage", "seconds", "peak_memory_mb", "device"])


def main() -> None:
    """Print both tables of the current profile."""
    profile = params.profile(ROOT / "params.yaml")
    if not (ROOT / "artefacts" / profile / "runs" / FILE).is_file():
        sys.exit(f"budget: artefacts/{profile}/runs/{FILE}: no such file; `make repro` makes it")
    stages = table(profile)
    print(stages.to_string(index=False, formatters={"share": "{:.0%}".format}))
    total = stages["seconds"].sum() / 60
    print(f"{total:.1f} minutes in {len(stages)} stages, of which some ran side by side\n")
    print(memory(profile).to_string(index=False))


if __name__ == "__main__":
    main()

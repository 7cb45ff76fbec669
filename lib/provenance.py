"""Where a result comes from: what fixed it, and what happened to be so when it ran.

A run record has two parts. `fixed` decides the result and is the same on every repetition;
`observed` (commit, time, memory) differs each time, so records live beside the artefacts, which git
ignores, and no report prints the observed part.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from lib.paths import ROOT

LIBRARIES = ("numpy", "pandas", "scikit-learn", "torch", "open_clip_torch", "timm")


def file_digest(path: Path | str) -> str:
    """SHA-256 of a file, as hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def commit() -> str | None:
    """Commit checked out, with "+changes" when tracked files differ; None outside a repository."""
    if not (ROOT / ".git").exists():
        return None
    head = _git("rev-parse", "HEAD")
    return f"{head}+changes" if _git("status", "--porcelain", "--untracked-files=no") else head


def fixed(stage: str, params: object, seeds: tuple[int, ...] = (), device: str = "cpu") -> dict:
    """What decides the result: settings, seeds, device, lock and library versions.

    params: a dataclass or a dictionary.
    """
    return {
        "stage": stage,
        "params": asdict(params) if is_dataclass(params) else dict(params),
        "seeds": list(seeds),
        "device": device,
        "lock_sha256": file_digest(ROOT / "requirements.txt"),
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }


def peak_memory_mb() -> float:
    """Largest resident memory so far, in MB, of this process or of one that it waited for.

    The work of a notebook happens in its kernel, a child of the process that writes the record.
    Memory is not added up: the two are rarely large at once.
    """
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(one).ru_maxrss for one in who)
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def write_run(path: Path | str, fixed_part: dict, seconds: float) -> Path:
    """Write a run record; the file appears whole."""
    record = {
        "fixed": fixed_part,
        "observed": {
            "commit": commit(),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 2),
            "peak_memory_mb": round(peak_memory_mb(), 1),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        },
    }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return path


def record_path(output: Path | str) -> Path | None:
    """Where the record of a stage goes that makes `output`: artefacts/<profile>/runs/<name>.json.

    Outside the stage's outputs, which stay the same byte for byte; None for an output that is no
    artefact (a notebook run in place).
    """
    try:
        profile, *parts = Path(output).resolve().relative_to(ROOT / "artefacts").parts
    except ValueError:
        return None
    return ROOT / "artefacts" / profile / "runs" / f"{'-'.join(parts)}.json" if parts else None


@contextmanager
def run_record(
    path: Path | str | None,
    stage: str,
    params: object,
    seeds: tuple[int, ...] = (),
    device: str = "cpu",
) -> Iterator[dict]:
    """Time the block and write its run record to `path` when it succeeds; yields the fixed part.

    A block that raises leaves no record, and neither does one without a path.
    """
    start, part = time.perf_counter(), fixed(stage, params, seeds, device)
    yield part
    if path is not None:
        write_run(path, part, time.perf_counter() - start)


def read_run(path: Path | str) -> dict:
    """A run record, both parts."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _git(*arguments: str) -> str:
    """Output of a git command in the repository."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()

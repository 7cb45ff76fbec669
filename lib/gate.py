"""The gate: the committed results belong to the committed code, shown without data or cache.

    python -m lib.gate

A fresh clone has no artefacts, so `dvc status` alone always complains. Absence is not held
against a stage; everything else is: changed parameters, commands, inputs, code (fingerprints are
computed again and compared with dvc.lock) and git-tracked results (they must exist, unedited).
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lib import fingerprint
from lib.paths import ROOT

ABSENT = {"deleted", "not in cache"}
SOURCE = "source"  # the stage that writes the fingerprints; its inputs may change, its digests not
FINGERPRINTS = "artefacts/fingerprints"


def findings(root: Path = ROOT) -> list[str]:
    """Return one line for each way in which the results do not belong to the code; none is good."""
    if not (root / "dvc.lock").is_file():
        return ["dvc.lock is missing: run `make repro` and commit it"]
    params = _read(root / "params.yaml")
    if params.get("profile") != "sample":
        return [f"params.yaml holds the profile {params.get('profile')}: `make profile` goes back"]
    pipeline, lock = _read(root / "dvc.yaml"), _read(root / "dvc.lock")
    stages = set(_dvc(root, "stage", "list", "--name-only").split())
    return [
        *(f"{stage}: never run" for stage in sorted(stages - lock["stages"].keys())),
        *(f"{stage}: no longer in dvc.yaml" for stage in sorted(lock["stages"].keys() - stages)),
        *stale_stages(json.loads(_dvc(root, "status", "--json"))),
        *stale_fingerprints(lock, root),
        *missing_results(pipeline, params, root),
    ]


def _dvc(root: Path, *arguments: str) -> str:
    """Return what a DVC command prints; RuntimeError with its last line when it fails."""
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or "failed").splitlines()[-1]
        raise RuntimeError(f"dvc {' '.join(arguments)}: {reason}")
    return done.stdout


def stale_stages(state: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each change that is more than absence."""
    for stage, changes in state.items():
        for change in changes:
            if isinstance(change, str):  # "changed command", "always changed"
                yield f"{stage}: {change}"
                continue
            for kind, entries in change.items():
                if stage == SOURCE and kind == "changed deps":
                    continue  # prose and comments may change; the digests are compared below
                yield from (f"{stage}: {kind}: {line}" for line in _changes(entries))


def _changes(entries: dict[str, Any]) -> Iterator[str]:
    """Yield "<file or parameter>: <what>" of dvc's nested status, leaving out absence."""
    for name, what in entries.items():
        if isinstance(what, dict):  # parameters: one that is gone was deleted by hand
            yield from (f"{name}: {key}: {change}" for key, change in what.items())
        elif what not in ABSENT:
            yield f"{name}: {what}"


def stale_fingerprints(lock: dict[str, Any], root: Path) -> Iterator[str]:
    """Yield a line for each stage whose code is not the code that its results were made by."""
    targets = {fingerprint.file_name(target): target for target in _targets(lock["stages"], root)}
    for stage, entry in lock["stages"].items():
        for dep in entry.get("deps", []):
            folder, _, name = dep["path"].rpartition("/")
            if folder != FINGERPRINTS:
                continue
            if name not in targets:
                yield f"{stage}: {dep['path']}: the stage {SOURCE} no longer makes it"
                continue
            try:
                text = fingerprint.fingerprint(targets[name], root)
            except fingerprint.FingerprintError as error:
                yield f"{stage}: {error}"
                continue
            if hashlib.md5(text.encode()).hexdigest() != dep["md5"]:
                yield f"{stage}: the code of {targets[name]} is not the code that made the results"


def _targets(stages: dict[str, Any], root: Path) -> list[str]:
    """Return the notebooks and modules that the source stage names, its patterns expanded."""
    words = stages.get(SOURCE, {}).get("cmd", "").split()
    found: list[str] = []
    for word in words[words.index("--out") + 2 :] if "--out" in words else []:
        if "*" in word:
            found += sorted(path.relative_to(root).as_posix() for path in root.glob(word))
        else:
            found.append(word)
    return found


def missing_results(pipeline: dict[str, Any], params: dict[str, Any], root: Path) -> Iterator[str]:
    """Yield a line for each git-tracked result (`cache: false`) that does not exist."""
    for stage, entry in pipeline["stages"].items():
        for out in entry.get("outs", []):
            if isinstance(out, dict):
                (path, options), *_ = out.items()
                if options.get("cache") is not False:
                    continue  # persist and the like; a matrix's paths are filled in per item
                path = re.sub(r"\$\{(.+?)\}", lambda found: _lookup(params, found[1]), path)
                if not (root / path).exists():
                    yield f"{stage}: {path}: missing, it is kept in git"


def _lookup(params: dict[str, Any], key: str) -> str:
    """Return the value of "a.b" in nested settings, as text."""
    value: Any = params
    for part in key.split("."):
        value = value[part]
    return str(value)


def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def main() -> None:
    """Print the findings, one a line; exit 1 if there are any."""
    try:
        lines = findings()
    except RuntimeError as error:
        sys.exit(f"gate: {error}")
    for line in lines:
        print(f"gate: {line}")
    if lines:
        sys.exit(f"gate: {len(lines)} findings; `make repro`, then commit dvc.lock and reports/")
    print("gate: the committed results belong to the committed code")


if __name__ == "__main__":
    main()

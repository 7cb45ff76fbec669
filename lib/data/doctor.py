"""The data doctor: for each data set what is there, what is missing or malformed, how to get it.

    python -m lib.data.doctor                 every data set
    python -m lib.data.doctor mami --config params.yaml

Reads each folder with the very reader that the pipeline uses, so what passes here passes there.
A data set that is absent is no fault (none ships with the repository); one that is there and cannot
be read is, and so is an absent one that was asked for by name. Then the exit status is 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import yaml

from lib import params, paths
from lib.data import readers
from lib.schema import PairsError

SHOWN = 5  # lines of a list; the drop report of notebook 01 has all
State = Literal["ready", "absent", "malformed"]


@dataclass(frozen=True)
class Source:
    """Where a data set comes from (lib/data/sources.yaml)."""

    title: str
    get: str  # how a person gets it
    licence: str
    size: str
    where: str  # folder to put it in, from the repository root
    layout: str  # files the reader looks for
    gpu_hours: str  # of the paper profile, an estimate


@dataclass(frozen=True)
class Finding:
    """State of one folder and the lines that explain it."""

    folder: Path
    state: State
    lines: tuple[str, ...]


def sources() -> dict[str, Source]:
    """Every data set with its source, in the order of the file."""
    text = resources.files("lib.data").joinpath("sources.yaml").read_text(encoding="utf-8")
    return {name: Source(**entry) for name, entry in yaml.safe_load(text).items()}


def examine(dataset: str, folder: Path, config: Path) -> Finding:
    """Read one folder with the data set's reader; raises ParamsError for a faulty section."""
    settings = readers.load_settings(dataset, config)
    if not folder.is_dir() or not any(folder.iterdir()):
        return Finding(folder, "absent", ())
    try:
        reading = readers.read(dataset, folder, settings)
    except (readers.LayoutError, PairsError) as error:
        return Finding(folder, "malformed", _first(str(error).splitlines()))
    pairs, drops = reading.pairs, reading.drops.summary()
    pictured = int((pairs["image"] != "").sum())
    lines = [f"{len(pairs):,} rows, {pictured:,} with a picture: {_splits(pairs['split'])}"]
    lines += _first(
        f"{event.outcome}: {event.count:,} x {event.reason}, such as {event.example}"
        for event in drops.itertuples(index=False)
    )
    return Finding(folder, "ready", tuple(lines))


def folders(dataset: str, config: Path) -> list[Path]:
    """The folder that the config names, and the one for the real data if that is another."""
    root = readers.load_settings(dataset, config).root
    named = [root, sources()[dataset].where]
    return list(dict.fromkeys(paths.resolve(folder) for folder in named if folder))


def report(dataset: str, findings: list[Finding]) -> Iterator[str]:
    """Yield the lines on one data set; for real data that is not ready, also how to get it."""
    source = sources()[dataset]
    yield f"{dataset}: {source.title}"
    for finding in findings:
        yield f"  {paths.relative(finding.folder)}: {finding.state}"
        yield from (f"    {line}" for line in finding.lines)
        if finding.state != "ready" and finding.folder == paths.resolve(source.where):
            yield f"    get it: {source.get} ({source.size}; licence: {source.licence})"
            yield f"    put it: in {source.where}, as {source.layout}"
            yield f"    then:   data.{dataset}.root: {source.where} in profiles/paper.yaml"


def _splits(split) -> str:
    counts = split.replace("", "no split").value_counts()
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _first(lines) -> tuple[str, ...]:
    lines = list(lines)
    more = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return (*lines[:SHOWN], *more)


def main() -> None:
    """Print the report on the data sets named, or on all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", nargs="*", metavar="data set", help="none: all of them")
    parser.add_argument("--config", type=Path, default=paths.ROOT / "params.yaml")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.datasets) - set(sources()))
    if unknown:
        sys.exit(f"doctor: {unknown[0]}: unknown data set; there are {', '.join(sources())}")
    failed = False
    for dataset in arguments.datasets or sources():
        try:
            folder_list = folders(dataset, arguments.config)
            findings = [examine(dataset, folder, arguments.config) for folder in folder_list]
        except params.ParamsError as error:
            sys.exit(f"doctor: {error}")
        print("\n".join(report(dataset, findings)))
        failed |= any(finding.state == "malformed" for finding in findings)
        failed |= bool(arguments.datasets) and findings[-1].state == "absent"
    sys.exit(int(failed))


if __name__ == "__main__":
    main()

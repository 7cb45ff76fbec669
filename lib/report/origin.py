"""Where the numbers of a page come from: files with their digests, settings, seeds and the lock.

Only what every machine with the same results shares. Commit, seconds and memory differ each time;
they are in the run records, beside the artefacts, and a page says where.
"""

from __future__ import annotations

import fcntl
import html
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow.parquet as pq

from lib import params, paths, provenance

FILE = "provenance.json"
ANCHOR = "provenance"
LOCK = "requirements.txt"
SHOWN = 16  # characters of a digest on a page


class Stage(NamedTuple):
    """What made the predictions of a study."""

    notebook: str
    published: str  # the papers' numbers
    sections: tuple[str, ...]  # settings behind the predictions
    beside: tuple[str, ...] = ()  # other studies whose predictions its page shows too


STAGES = {
    "places": Stage("03_zero_shot_places", "lib/places/data", ("embed", "zero_shot_places")),
    "retrieval": Stage("04_wise_ft_retrieval", "lib/retrieval/data",
                       ("embed", "rewriting", "finetune_retrieval", "wise_ft_retrieval")),
    "fnd": Stage("02_fnd_clip_training", "lib/fnd/data",
                 ("embed", "features_nmb", "fnd_clip_training", "fnd_study")),
    "vlm": Stage("06_vlm_qlora", "lib/vlm/data", ("vlm_qlora",), ("fnd",)),
    "memes": Stage("05_ssl_memes", "lib/memes/data",
                   ("embed", "memes_ocr", "memes_rivals", "ssl_memes")),
}  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """Where a page's numbers come from; without files they are made up for a smoke run."""

    files: dict[str, str] = field(default_factory=dict)  # path from the root -> SHA-256
    published: str = ""  # folder of the papers' numbers, from the root
    settings: dict[str, Any] = field(default_factory=dict)  # section -> its values
    seeds: list[int] = field(default_factory=list)  # of training, as the files have them
    records: list[str] = field(default_factory=list)  # run records of the stages, from the root

    @property
    def devices(self) -> dict[str, str]:
        """The device of each section of the settings that names one."""
        return {name: part["device"] for name, part in self.settings.items() if "device" in part}


MADE_UP = Origin()


def find(study: str, given: Mapping[str, str], config: str) -> Origin:
    """Return the origin of a study, a key of STAGES.

    given: study -> folder of its predictions, "" for a made-up one. config: the settings that it
    was made with; section `reports` says how its intervals are drawn.
    """
    stage = STAGES[study]
    if not given[study]:
        return Origin(published=stage.published)
    folder = paths.resolve(given[study])
    files = _files(folder)
    others = [path for name in stage.beside if given[name]
              for path in _files(paths.resolve(given[name]))]  # fmt: skip
    values = params.read(config)
    settings = {name: values[name] for name in (*stage.sections, "reports") if name in values}
    executed = folder.parents[1] / "notebooks" / f"{stage.notebook}.ipynb"
    digests, records = _digests([*files, *others]), _records([executed])
    return Origin(digests, stage.published, settings, _seeds(files), records)


def of_cards(cards: Sequence[Path], recall: Path | None) -> Origin:
    """Return the origin of the data page: folders of data cards, and the encoders' recall table."""
    files = [path for folder in cards for path in _files(folder)]
    made = [
        folder.parents[1] / "notebooks" / f"01_data_preparation_{folder.name}.ipynb"
        for folder in cards
    ]
    if recall is not None:
        files, made = [*files, recall], [*made, recall.parent]
    return Origin(_digests(files), records=_records(made))


def describe(origin: Origin) -> str:
    """The last block of a page, closed until it is asked for."""
    if origin.files:
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td><code>{digest[:SHOWN]}</code></td></tr>"
            for name, digest in origin.files.items()
        )
        said = (
            "<p>Figures and tables are computed from these files, which git does not hold: "
            "<code>dvc pull</code> fetches them, <code>make repro</code> makes them.</p>\n"
            '<div class="scroll"><table><thead><tr><th>file</th><th>SHA-256 begins</th></tr>'
            f"</thead><tbody>{rows}</tbody></table></div>\n"
        )
    else:
        said = "<p>The numbers of this page are made up for a smoke run; no file holds them.</p>\n"
    items = "".join(f"<li>{item}</li>" for item in _items(origin))
    return (
        f'<details id="{ANCHOR}" class="provenance"><summary>Provenance: where the numbers of this '
        f"page come from</summary>\n{said}<ul>{items}</ul></details>"
    )


def _items(origin: Origin) -> list[str]:
    """Everything but the files, as HTML."""
    items = []
    if origin.published:
        items.append(f"Numbers of the papers: <code>{origin.published}</code>.")
    if origin.settings:
        names = ", ".join(f"<code>{name}</code>" for name in origin.settings)
        where = ", ".join(f"{device} ({name})" for name, device in origin.devices.items())
        items.append(f"Settings: sections {names}; device: {where or 'not set'}.")
    if origin.seeds:
        items.append(f"Training seeds: {', '.join(map(str, origin.seeds))}.")
    items.append(f"Lock: <code>{LOCK}</code>, SHA-256 <code>{_lock()[:SHOWN]}</code>.")
    if origin.records:
        names = ", ".join(f"<code>{name}</code>" for name in origin.records)
        items.append(f"Commit, seconds and peak memory, which differ with every run: {names}.")
    items.append(
        f'All of it, with every table and figure by name: <a href="{FILE}">{FILE}</a>.'
    )  # fmt: skip
    return items


def record(out: Path, page: str, origin: Origin, computed: list[str], published: list[str]) -> Path:
    """Write the entry of `page` into provenance.json of folder `out`; returns the file.

    computed, published: files of the page, from `out`. Entries of other pages stay, unless their
    page is gone.
    """
    path = out / FILE
    entry = asdict(origin) | {"devices": origin.devices, "lock": {LOCK: _lock()}}
    entry["written"] = {"computed": sorted(computed), "published": sorted(published)}
    with _alone_in(out):
        pages = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        pages = {name: entry for name, entry in pages.items() if (out / name).is_file()}
        text = json.dumps(pages | {page: entry}, indent=1, sort_keys=True, ensure_ascii=False)
        part = path.with_name(f".{path.name}.part")
        part.write_text(f"{text}\n", encoding="utf-8")
        os.replace(part, path)
    return path


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder: two processes write pages."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which lets go


def _lock() -> str:
    """Digest of the lock of all packages."""
    return provenance.file_digest(paths.ROOT / LOCK)


def _files(folder: Path) -> list[Path]:
    """Files directly in a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.is_file())


def _digests(files: Sequence[Path]) -> dict[str, str]:
    """SHA-256 by path from the root."""
    return {paths.relative(path): provenance.file_digest(path) for path in files}


def _seeds(files: Sequence[Path]) -> list[int]:
    """Seeds that the files have rows of; what has none is negative there."""
    found: set[int] = set()
    for path in files:
        if path.suffix == ".parquet" and "seed" in pq.read_schema(path).names:
            seeds = pd.read_parquet(path, columns=["seed"])["seed"].dropna()
            found |= {int(seed) for seed in seeds.unique()}
    return sorted(seed for seed in found if seed >= 0)


def _records(outputs: Sequence[Path]) -> list[str]:
    """Run records of the stages that made `outputs`; none of what lies outside artefacts/."""
    found = [provenance.record_path(path) for path in outputs]
    return [paths.relative(path) for path in found if path is not None]

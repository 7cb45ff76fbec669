"""Answer files of MAMI: write one, read one, find what is wrong with it, score it.

    file name <tab> misogynous                                       task A
    file name <tab> misogynous <tab> the four types, as in TYPES     tasks A and B

One line a test meme, no header, 0 or 1. Written from scores or flags in the pairs table's order:

    python -m lib.memes.answers check answer.txt --pairs data/pairs/sample/mami.parquet
    python -m lib.memes.answers score answer.txt --truth data/sample/mami/test_labels.txt
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lib import paths
from lib.data.readers.mami import LABELS, TYPES
from lib.memes import scores
from lib.schema import read_pairs

WIDTHS = {1: LABELS[:1], len(LABELS): LABELS}  # flags of a line -> their columns
SHOWN = 20  # lines of an error message


class AnswerError(ValueError):
    """Defects of an answer file; one line each: file, row, column, reason."""

    def __init__(self, defects: list[str]):
        """Keep all defects; the message shows the first SHOWN of them."""
        self.defects = defects
        more = len(defects) - SHOWN
        super().__init__(
            "\n".join(defects[:SHOWN] + ([f"... and {more} more"] if more > 0 else []))
        )


def file_names(pairs: pd.DataFrame) -> list[str]:
    """File name of each meme as the organisers call it; from its id where it has no picture."""
    named = zip(pairs["id"], pairs["image"], strict=True)
    return [Path(image).name or f"{key.rpartition('/')[2]}.jpg" for key, image in named]


def write(file: Path | str, names: Sequence[str], flags: np.ndarray) -> Path:
    """Write an answer file; it appears whole.

    flags: (n,) of 0 and 1 for task A, or (n, 5) in the order of LABELS for both. AnswerError, as
    `read` would raise it, for anything else.
    """
    flags = np.asarray(flags)
    flags = flags[:, None] if flags.ndim == 1 else flags
    if flags.ndim != 2 or flags.shape[1] not in WIDTHS or len(names) != len(flags):
        raise AnswerError(
            [f"flags: shape {flags.shape} for {len(names)} memes; must be (n,) or (n, 5)"]
        )
    if not np.isin(flags, (0, 1)).all():
        row, column = np.argwhere(~np.isin(flags, (0, 1)))[0]
        raise AnswerError([f"flags, row {row + 1}, column {LABELS[column]!r}: must be 0 or 1"])
    rows = zip(names, flags.astype(int).tolist(), strict=True)
    text = "".join("\t".join((name, *map(str, row))) + "\n" for name, row in rows)
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, file)
    return file


def read(file: Path | str, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Read an answer or label file: file_name and one column, or five, of 0 and 1.

    names: file names that must be answered, each once; the table then has their order. AnswerError
    with every defect: file, row (from 1), column, reason.
    """
    file, where = Path(file), paths.relative(file)
    if not file.is_file():
        raise AnswerError([f"{where}: no such file"])
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    if not lines:
        raise AnswerError([f"{where}: is empty"])
    columns = ("file_name", *WIDTHS.get(lines[0].count("\t"), LABELS))
    defects: list[str] = []
    rows = [_cells(f"{where}, row {n}", line, columns, defects) for n, line in enumerate(lines, 1)]
    defects += _strangers(where, [row[0] for row in rows], names)
    if defects:
        raise AnswerError(defects)
    table = pd.DataFrame([(row[0], *map(int, row[1:])) for row in rows], columns=list(columns))
    return table if names is None else table.set_index("file_name").loc[list(names)].reset_index()


def _cells(where: str, line: str, columns: Sequence[str], defects: list[str]) -> list[str]:
    """Return the cells of a line; note what is wrong with them."""
    cells = line.split("\t")
    if len(cells) != len(columns):
        reason = f"{len(cells) - 1} flags instead of {len(columns) - 1}, separated by tabs"
        defects.append(f"{where}: {reason}")
    for column, cell in zip(columns[1:], cells[1:], strict=False):
        if cell not in ("0", "1"):
            defects.append(f"{where}, column {column!r}: must be 0 or 1, not {cell!r}")
    return cells


def _strangers(where: str, found: list[str], names: Sequence[str] | None) -> list[str]:
    """Return the defects of the names: answered twice, unknown, or not answered."""
    first: dict[str, int] = {}
    defects = []
    known = set(names or ())
    for row, name in enumerate(found, start=1):
        if name in first:
            reason = f"{name!r} is answered in row {first[name]} already"
            defects.append(f"{where}, row {row}, column 'file_name': {reason}")
        elif names is not None and name not in known:
            defects.append(f"{where}, row {row}, column 'file_name': no test meme {name!r}")
        first.setdefault(name, row)
    missing = [name for name in names or () if name not in first]
    return defects + [f"{where}: no row for {name!r}" for name in missing]


def score(answers: pd.DataFrame, truth: pd.DataFrame) -> dict[str, float]:
    """Official scores of an answer file against a label file, both as `read` gives them.

    Keys task_a, and task_b where both have the types. The same memes in any order; AnswerError
    where they differ.
    """
    both = answers.merge(truth, on="file_name", suffixes=("", " true"))
    if not len(answers) == len(truth) == len(both):
        alone = set(answers["file_name"]) ^ set(truth["file_name"])
        raise AnswerError([f"{sorted(alone)[0]!r}: stands in one of the two files alone"])
    found = {"task_a": scores.task_a(both[f"{LABELS[0]} true"], both[LABELS[0]])}
    if set(TYPES) <= set(answers) & set(truth):
        gold = both[[f"{name} true" for name in TYPES]].to_numpy()
        found["task_b"] = scores.task_b(gold, both[list(TYPES)].to_numpy())
    return found


def main(arguments: list[str] | None = None) -> int:
    """Check or score an answer file; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lib.memes.answers")
    parser.add_argument("task", choices=("check", "score"), help="what to do with the file")
    parser.add_argument("file", help="answer file")
    parser.add_argument("--pairs", help="check: the pairs table, whose test memes it must answer")
    parser.add_argument("--truth", help="score: label file, test_labels.txt or truth.txt")
    options = parser.parse_args(arguments)
    needed = {"check": "pairs", "score": "truth"}[options.task]
    if getattr(options, needed) is None:
        parser.error(f"{options.task} needs --{needed}")
    try:
        print(_checked(options) if options.task == "check" else _scored(options))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _checked(options: argparse.Namespace) -> str:
    pairs = read_pairs(paths.resolve(options.pairs))
    table = read(paths.resolve(options.file), file_names(pairs[pairs["split"] == "test"]))
    tasks = "A and B" if len(table.columns) > 2 else "A"
    flags = table.drop(columns="file_name").to_numpy()
    remark = scores.collapse(flags)
    return f"{paths.relative(options.file)}: {len(table)} memes, task {tasks}" + (
        f"; {remark}" if remark else ""
    )


def _scored(options: argparse.Namespace) -> str:
    found = score(read(paths.resolve(options.file)), read(paths.resolve(options.truth)))
    return ", ".join(f"{name} {value:.12f}" for name, value in found.items())


if __name__ == "__main__":
    sys.exit(main())

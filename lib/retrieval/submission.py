"""NewsImages submission files: write, check, read.

Tab-separated, a row an article: its id, then 100 image ids, best first. A header is optional; the
organisers' evaluator takes a first line for a header when its first field is not a number.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import pandas as pd

LENGTH = 100
SHOWN = 20  # lines of an error message


class SubmissionError(ValueError):
    """Defects of a submission, one line each: file, line, reason."""

    def __init__(self, defects: list[str]):
        """Keep all defects; the message shows the first SHOWN of them."""
        self.defects = defects
        more = len(defects) - SHOWN
        super().__init__("\n".join(defects[:SHOWN] + ([f"... and {more} more"] * (more > 0))))


def write_submission(
    run: pd.DataFrame, path: Path | str, length: int = LENGTH, header: bool = True
) -> None:
    """Write a run (query, image, rank) as a submission; articles in the order of the run.

    The file appears whole or not at all. Raises SubmissionError when an article has not exactly
    `length` images or has one twice.
    """
    path = Path(path)
    run = run[run["rank"] <= length]
    order = pd.factorize(run["query"])[0]
    run = run.assign(order=order).sort_values(["order", "rank"], kind="stable")
    lines = ["\t".join(["article", *(f"image{i}" for i in range(1, length + 1))])] * header
    for _, rows in run.groupby("order", sort=False):
        lines.append("\t".join([str(rows["query"].iloc[0]), *rows["image"].astype(str)]))
    defects = check_lines(lines, path.name, length=length, header=header)
    if defects:
        raise SubmissionError(defects)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def validate_submission(
    path: Path | str,
    articles: Collection[str] | None = None,
    images: Collection[str] | None = None,
    length: int = LENGTH,
) -> list[str]:
    """Return the defects of a submission file, one line each; none: it can be handed in.

    articles, images: the ids of the test set; what is not among them, and articles without a row,
    are defects.
    """
    path = Path(path)
    lines = _lines(path)
    return check_lines(lines, path.name, articles, images, length, _has_header(lines, articles))


def read_submission(
    path: Path | str,
    articles: Collection[str] | None = None,
    images: Collection[str] | None = None,
    length: int = LENGTH,
) -> pd.DataFrame:
    """Return a valid submission as a run (query, image, rank); raises SubmissionError."""
    path = Path(path)
    lines = _lines(path)
    header = _has_header(lines, articles)
    defects = check_lines(lines, path.name, articles, images, length, header)
    if defects:
        raise SubmissionError(defects)
    rows = [_fields(line) for line in lines[header:] if line.strip()]
    return pd.DataFrame(
        {
            "query": [row[0] for row in rows for _ in row[1:]],
            "image": [image for row in rows for image in row[1:]],
            "rank": [rank for row in rows for rank in range(1, len(row))],
        }
    )


def check_lines(
    lines: list[str],
    name: str,
    articles: Collection[str] | None = None,
    images: Collection[str] | None = None,
    length: int = LENGTH,
    header: bool = False,
) -> list[str]:
    """Return the defects of a submission's lines; `name` is the file's in the messages."""
    articles = None if articles is None else dict.fromkeys(articles)
    images = None if images is None else set(images)
    defects, first = [], {}
    for number, line in enumerate(lines, 1):
        if number == 1 and header or not line.strip():
            continue
        article, *ranked = _fields(line)
        where = f"{name}, line {number}, article {article or '(empty)'}"
        if article in first:
            defects.append(f"{where}: the article already stands in line {first[article]}")
        first.setdefault(article, number)
        if articles is not None and article not in articles:
            defects.append(f"{where}: not an article of the test set")
        if len(ranked) != length:
            defects.append(f"{where}: {len(ranked)} images, must be {length}")
        defects += [
            f"{where}: image {image or '(empty)'} stands there {times} times"
            for image, times in Counter(ranked).items()
            if times > 1
        ]
        if images is not None:
            unknown = [image for image in ranked if image not in images]
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            defects += [
                f"{where}: image {image}{more} not in the test set" for image in unknown[:1]
            ]
    if not first:
        defects.append(f"{name}: no article")
    missing = [article for article in articles or () if article not in first]
    return defects + [f"{name}: article {article} has no row" for article in missing]


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise SubmissionError([f"{path.name}: no such file"])
    return path.read_text(encoding="utf-8-sig").splitlines()


def _fields(line: str) -> list[str]:
    return [field.strip() for field in line.rstrip("\t\r\n ").split("\t")]


def _has_header(lines: list[str], articles: Collection[str] | None) -> bool:
    """Return whether the first line is a header: no number, and no article of the test set."""
    if not lines:
        return False
    start = _fields(lines[0])[0]
    return not start.isdigit() and (articles is None or start not in set(articles))

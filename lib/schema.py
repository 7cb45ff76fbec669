"""The pairs table: the one form every data set takes before anything else sees it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from datetime import date as Date
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import pyarrow
from pyarrow import parquet

SPLITS = ("train", "validation", "test", "")  # "": the data set has no split and none was made
COLUMNS = {
    "id": "unique name of the post, article or meme",
    "image": "path of the picture, relative to the data set's root, / between folders; empty when "
    "there is none",
    "text": "caption or headline, white space normalised; empty when there is none, but never both",
    "lang": "ISO 639 code of the text (en, de), und when undetermined",
    "split": "train, validation or test; empty when there is none",
    "date": "ISO 8601 day or second (2023-04-01, 2023-04-01T09:30:00); empty when unknown",
    "source": "where it comes from: outlet, city, feed; empty when unknown",
    "group": "id of the smallest member of its near-duplicate or same-story cluster",
}
DETAILS = (  # extra columns that are no labels, or repeat one in another form
    "article", "iid", "original", "snippet", "phash",  # of news
    "text_label", "headline", "body", "image_description", "categories", "category_scores",
    "english", "split_outlet",  # of posts judged as a whole
)  # fmt: skip
SHOWN = 20  # lines of an error message

Labels = Mapping[str, Collection | type | None]


class PairsError(ValueError):
    """Defects of a pairs table; one line each: file, row, column, reason."""

    def __init__(self, defects: list[str]):
        """Keep all defects; the message shows the first SHOWN of them."""
        self.defects = defects
        more = len(defects) - SHOWN
        lines = defects[:SHOWN] + ([f"... and {more} more"] if more > 0 else [])
        super().__init__("\n".join(lines))


def validate_pairs(
    df: pd.DataFrame, file: Path | str, labels: Labels | None = None
) -> pd.DataFrame:
    """Check a pairs table and return it with its columns in the standard order.

    `labels` declares the label columns: name -> allowed values, or a type (str, int, float, bool),
    or None for anything. Any other extra column is a defect. `file` is named in the errors; rows
    count from 1, header apart. Raises PairsError with every defect, not the first alone.
    """
    labels = labels or {}
    defects = _column_defects(df, file, labels)
    if defects:
        raise PairsError(defects)
    table = df[[*COLUMNS, *labels]].reset_index(drop=True)
    try:
        _schema(labels).validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        defects = _lines(errors.failure_cases, file)
    empty = table.index[table["image"].eq("") & table["text"].eq("")]
    defects += [f"{file}, row {row + 1}, column 'image': neither picture nor text" for row in empty]
    if defects:
        raise PairsError(defects)
    return table


def write_pairs(df: pd.DataFrame, path: Path | str) -> None:
    """Validate and write as parquet: same table, same bytes; the file appears whole or not."""
    path = Path(path)
    table = validate_pairs(df, path, _any_label(df))
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without pandas' own metadata the bytes do not depend on its version.
    arrow = pyarrow.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        parquet.write_table(arrow, part, compression="zstd")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def read_pairs(path: Path | str) -> pd.DataFrame:
    """Read and validate a pairs table; raises PairsError."""
    path = Path(path)
    if not path.is_file():
        raise PairsError([f"{path}: no such file (notebooks/01_data_preparation.ipynb makes it)"])
    try:
        df = parquet.read_table(path).to_pandas()
    except (pyarrow.ArrowException, OSError) as error:
        raise PairsError(
            [f"{path}: not a readable parquet file ({error})".splitlines()[0]]
        ) from error
    return validate_pairs(df, path, _any_label(df))


def label_columns(pairs: pd.DataFrame) -> list[str]:
    """The columns that are labels; of a yes/no `label` with a `label_name` the name alone."""
    extra = [column for column in pairs.columns if column not in (*COLUMNS, *DETAILS)]
    return [column for column in extra if column != "label" or "label_name" not in extra]


def dictionary() -> pd.DataFrame:
    """The data dictionary: column, meaning."""
    return pd.DataFrame(COLUMNS.items(), columns=["column", "meaning"])


def _any_label(df: pd.DataFrame) -> Labels:
    return {column: None for column in df.columns if column not in COLUMNS}


def _column_defects(df: pd.DataFrame, file: Path | str, labels: Labels) -> list[str]:
    wanted = [*COLUMNS, *labels]
    missing = [f"{file}, header, column {c!r}: missing" for c in wanted if c not in df.columns]
    extra = [
        f"{file}, header, column {c!r}: neither a standard column nor a declared label"
        for c in df.columns
        if c not in wanted
    ]
    twice = df.columns[df.columns.duplicated()].unique()
    return missing + extra + [f"{file}, header, column {c!r}: appears twice" for c in twice]


def _schema(labels: Labels) -> pa.DataFrameSchema:
    standard = {
        "id": _text(pa.Check(_is_trimmed, error="must be a name without space around it")),
        "image": _text(pa.Check(_is_relative, error="must be a path relative to the root, with /")),
        "text": _text(pa.Check(_is_normalised, error="white space is not normalised")),
        "lang": _text(
            pa.Check.str_matches(r"^[a-z]{2,3}$", error="must be an ISO 639 code or und")
        ),
        "split": _text(pa.Check.isin(SPLITS, error=f"must be one of {_options(SPLITS)}")),
        "date": _text(
            pa.Check(_is_date, element_wise=True, error="must be an ISO 8601 date or ''")
        ),
        "source": _text(),
        "group": _text(pa.Check(_is_trimmed, error="must be a name without space around it")),
    }
    standard["id"].unique = True
    return pa.DataFrameSchema({**standard, **{k: _label(v) for k, v in labels.items()}})


def _text(*checks: pa.Check) -> pa.Column:
    """A column of strings, none missing; the type comes first, or the other checks cannot run."""
    return pa.Column(
        None, checks=[pa.Check(_is_string, error="must be text"), *checks], nullable=False
    )


def _label(allowed: Collection | type | None) -> pa.Column:
    if allowed is None:
        return pa.Column(None, nullable=False)
    if isinstance(allowed, type):
        check = pa.Check(
            lambda values: values.map(lambda v: _is_a(v, allowed)),
            error=f"must be of type {allowed.__name__}",
        )
    else:
        check = pa.Check.isin(list(allowed), error=f"must be one of {_options(allowed)}")
    return pa.Column(None, checks=check, nullable=False)


def _is_a(value: object, kind: type) -> bool:
    if isinstance(value, bool) and kind is not bool:
        return False
    return isinstance(value, (int, float) if kind is float else kind)


def _is_string(values: pd.Series) -> pd.Series:
    return values.map(lambda v: isinstance(v, str)).astype(bool)


def _is_trimmed(values: pd.Series) -> pd.Series:
    text = values.astype(str)
    return (text != "") & (text == text.str.strip())


def _is_relative(values: pd.Series) -> pd.Series:
    text = values.astype(str)
    return ~(text.str.startswith("/") | text.str.contains(r"(?:^|/)\.\.(?:/|$)|\\|^[A-Za-z]:"))


def _is_normalised(values: pd.Series) -> pd.Series:
    return values.map(lambda v: str(v) == " ".join(str(v).split())).astype(bool)


def _is_date(value: object) -> bool:
    text = str(value)
    if text == "":
        return True
    day, _, clock = text.partition("T")
    try:
        Date.fromisoformat(day)
        return len(day) == 10 and (not clock or pd.Timestamp(text) is not pd.NaT)
    except ValueError:
        return False


def _options(values: Collection) -> str:
    shown = [repr(v) for v in list(values)[:8]]
    return ", ".join(shown) + (f", ... ({len(values)} in all)" if len(values) > 8 else "")


def _lines(cases: pd.DataFrame, file: Path | str) -> list[str]:
    """Pandera's failure cases as one line a defect, in the order of rows and columns."""
    reasons = {"field_uniqueness": "is not unique", "not_nullable": "is missing"}
    found = []
    for case in cases.itertuples():
        row = -1 if pd.isna(case.index) else int(case.index)
        where = f"{file}, row {row + 1}, column {case.column!r}"
        reason = reasons.get(str(case.check), str(case.check))
        got = "" if reason == "is missing" else f" (got {_short(case.failure_case)})"
        found.append((row, str(case.column), f"{where}: {reason}{got}"))
    return [line for _, _, line in sorted(found)]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

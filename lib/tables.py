"""Tables as files: the numbers as CSV, the same rows as an HTML fragment and as Markdown.

A column `x` with companions `x_low` and `x_high` is shown as one cell, ".43 [.34, .53]"; the CSV
keeps the three numbers.
"""

from __future__ import annotations

import html
import math
import os
import re
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path

import pandas as pd

SAMPLE_LABEL = "sample corpus"
MISSING = "–"
NAMES = {
    "auroc": "AUROC",
    "aurc": "AURC",
    "ece": "ECE",
    "p_holm": "p (Holm)",
    "p_mcnemar": "p (McNemar)",
    "h": "Cohen's h",
    "y_true": "truth",
    "y_pred": "answer",
}

Format = int | Callable[[object], str]


def number(value: float, digits: int = 2) -> str:
    """A number as journals print it: no zero before the point, a real minus, "–" when missing."""
    if value is None or pd.isna(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{abs(value):.{digits}f}"
    if text.startswith("0.") and digits > 0:
        text = text[1:]
    negative = value < 0 and float(text) != 0
    return f"−{text}" if negative else text


def interval(value: float, low: float, high: float, digits: int = 2) -> str:
    """An estimate with its limits, ".43 [.34, .53]"; the estimate alone when limits are missing."""
    if pd.isna(low) or pd.isna(high):
        return number(value, digits)
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def p_value(p: float) -> str:
    """A p-value to three decimals, "<.001" below that, "–" when there was no test."""
    if pd.isna(p):
        return MISSING
    return "<.001" if p < 0.001 else number(p, 3)


def count(value: float) -> str:
    """A whole number with thin thousands, "35,354"."""
    return MISSING if pd.isna(value) else f"{int(value):,}"


def display(df: pd.DataFrame, formats: dict[str, Format] | None = None) -> pd.DataFrame:
    """The table as text: intervals merged, numbers formatted, companions dropped.

    formats: decimals, or a function of the cell, by column (default: 3 decimals for floats).
    Raises KeyError naming a format for a column that is not there.
    """
    formats = formats or {}
    unknown = sorted(set(formats) - set(df.columns))
    if unknown:
        raise KeyError(f"table has no column {unknown[0]!r}, columns: {', '.join(df.columns)}")
    shown = {}
    for column in df.columns:
        if not is_companion(column, df.columns):
            shown[column] = _column(df, column, formats.get(column, 3))
    return pd.DataFrame(shown, index=df.index)


def is_companion(column: str, columns: pd.Index) -> bool:
    """Whether a column holds the limit of another one."""
    return column.endswith(("_low", "_high")) and column.rsplit("_", 1)[0] in columns


def to_html(
    df: pd.DataFrame,
    caption: str,
    formats: dict[str, Format] | None = None,
    sample: bool = True,
    name: str = "",
) -> str:
    """HTML fragment: a figure with caption and table; cells carry their raw value for sorting."""
    shown = display(df, formats)
    head = "".join(_heading(column, df[column]) for column in shown.columns)
    cells = [map(_cell, df[column], shown[column]) for column in shown.columns]
    body = [f"<tr>{''.join(row)}</tr>" for row in zip(*cells, strict=True)]
    label = f' <span class="sample">{SAMPLE_LABEL}</span>' if sample else ""
    source = f' <a class="source" href="tables/{name}.csv">csv</a>' if name else ""
    return (
        f'<figure class="table" id="{name}">\n<figcaption>{html.escape(caption)}{label}{source}'
        f'</figcaption>\n<div class="scroll"><table class="sortable">\n<thead><tr>{head}</tr>'
        f"</thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody>\n</table></div>\n</figure>\n"
    )


def to_markdown(
    df: pd.DataFrame,
    caption: str,
    formats: dict[str, Format] | None = None,
    sample: bool = True,
) -> str:
    """Markdown table under its caption."""
    shown = display(df, formats)
    rows = [[title(column) for column in shown.columns], ["---"] * shown.shape[1]]
    rows += shown.to_numpy().tolist()
    lines = ["| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |" for row in rows]
    label = f" *({SAMPLE_LABEL})*" if sample else ""
    return f"**{caption}**{label}\n\n" + "\n".join(lines) + "\n"


def write_table(
    df: pd.DataFrame,
    folder: Path | str,
    name: str,
    caption: str,
    sample: bool = True,
    formats: dict[str, Format] | None = None,
    digits: int = 6,
) -> dict[str, Path]:
    """Write `name`.csv (numbers), .html and .md (text) into `folder`; returns paths by suffix.

    digits: decimals kept in the CSV. All three are formatted first, so a bad format writes nothing.
    """
    contents = {
        "csv": df.round(digits).to_csv(index=False, lineterminator="\n"),
        "html": to_html(df, caption, formats, sample, name),
        "md": to_markdown(df, caption, formats, sample),
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {suffix: folder / f"{name}.{suffix}" for suffix in contents}
    for suffix, text in contents.items():
        temporary = folder / f".{name}.{suffix}.part"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, paths[suffix])
    return paths


def title(column: str) -> str:
    """Column name as a heading: underscores become spaces, measures get their usual names."""
    return NAMES.get(str(column), re.sub(r"_+", " ", str(column)).strip())


def _column(df: pd.DataFrame, column: str, how: Format) -> list[str]:
    """Formatted cells of one column."""
    if callable(how):
        return [how(value) for value in df[column]]
    low, high = f"{column}_low", f"{column}_high"
    if low in df.columns and high in df.columns:
        limits = zip(df[column], df[low], df[high], strict=True)
        return [interval(*triple, digits=how) for triple in limits]
    return [_text(value, how) for value in df[column]]


def _text(value: object, digits: int) -> str:
    """One cell by its type."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return MISSING if value is None or pd.isna(value) else str(value)
    return str(value) if isinstance(value, Integral) else number(float(value), digits)


def _heading(column: str, values: pd.Series) -> str:
    """Heading of a column, aligned as its cells are."""
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    side = ' class="n"' if numeric else ""
    return f'<th scope="col"{side}>{html.escape(title(column))}</th>'


def _cell(raw: object, text: str) -> str:
    """Table cell; numbers are right aligned and carry the sort key."""
    numeric = isinstance(raw, Real) and not isinstance(raw, bool)
    if not numeric:
        return f"<td>{html.escape(text)}</td>"
    key = "" if pd.isna(raw) else f"{float(raw):.10g}"
    return f'<td class="n" data-v="{key}">{html.escape(text)}</td>'

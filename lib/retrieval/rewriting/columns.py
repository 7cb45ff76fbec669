"""The corpus's own machine translation as a translator: a look-up by the text as published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from lib import paths
from lib.retrieval.rewriting import RewritingError
from lib.retrieval.rewriting.guard import Guard


class ColumnTranslator:
    """Rewrites a text by the translation that a table has for it."""

    def __init__(self, translations: Mapping[str, str], guard: Guard) -> None:
        """translations: text as published -> text in English."""
        self.translations, self.guard = translations, guard

    @classmethod
    def read(cls, path: Path, source: str, target: str, guard: Guard) -> ColumnTranslator:
        """Read two columns of a parquet, csv or tsv file; of equal sources the first one counts."""
        file = paths.resolve(path)
        if not file.is_file():
            raise RewritingError(f"table: {paths.relative(file)}: no such file")
        if file.suffix not in (".parquet", ".csv", ".tsv"):
            raise RewritingError(f"table: {paths.relative(file)}: is no .parquet, .csv or .tsv")
        if file.suffix == ".parquet":
            frame = pd.read_parquet(file)
        else:
            separator = "\t" if file.suffix == ".tsv" else ","
            frame = pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False)
        for key, column in (("source_column", source), ("target_column", target)):
            if column not in frame:
                raise RewritingError(f"{key}: {paths.relative(file)} has no column {column!r}")
        pairs = frame[[source, target]].dropna().drop_duplicates(source)
        return cls(dict(zip(pairs[source], pairs[target], strict=True)), guard)

    def rewrite(self, texts: Sequence[str]) -> list[str | None]:
        """One translation a text; None where the table has none, or no usable one."""
        found = [(text, self.translations.get(text, "")) for text in texts]
        return [new if self.guard.usable(text, new) else None for text, new in found]

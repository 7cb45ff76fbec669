"""Tables of the memes page: measures under the names that a reader knows."""

from __future__ import annotations

import pandas as pd

from lib.report.writer import Writer

NAMES = {
    "task_b": "task B at .5", "task_b_tuned": "task B, tuned", "auc": "AUC",
    "task_a": "task A at .5", "task_a_tuned": "task A, tuned", "thesis_f1": "thesis, task B",
    "paper_f1": "paper, task B", "thesis_auc": "thesis, AUC", "crom_ae": "CROM-AE",
    "db_loss": "DB loss", "probe_auc": "probe AUC", "mse": "MSE",
    "task_b transcribed": "task B transcribed", "task_b read": "task B read",
    "task_b_difference": "task B difference", "auc transcribed": "AUC transcribed",
    "auc read": "AUC read", "auc_difference": "AUC difference",
    "task_b ceiling": "task B ceiling", "auc ceiling": "AUC ceiling", "brier": "Brier score",
}  # fmt: skip
SUFFIXES = ("_low", "_high", "_p_holm", "_p")


def named(column: str) -> str:
    """Name of a column as shown; a companion (limits, p) follows its measure."""
    suffix = next((end for end in SUFFIXES if column.endswith(end)), "")
    base = column.removesuffix(suffix)
    return f"{NAMES[base]}{suffix}" if base in NAMES else column


class NamedWriter(Writer):
    """A writer whose tables show measures by their names."""

    def table(
        self, frame: pd.DataFrame, name: str, caption: str, formats: dict, published: bool = False
    ) -> str:
        """Write a table; returns its HTML. See Writer.table."""
        known = {named(column): how for column, how in formats.items()}
        return super().table(frame.rename(columns=named), name, caption, known, published)

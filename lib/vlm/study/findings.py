"""What the study found: the metrics of the fake-news study, beside what each row costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lib import figures, paths
from lib.fnd import STORY
from lib.fnd.findings.board import Board, build
from lib.stats import holm
from lib.vlm import MODES

PUBLISHED = "lib/vlm/data/published.csv"  # accuracies of Llama-3.2-11B-Vision on VLDBench
SHOWN = ("macro_f1", "accuracy", "auc", "ece")


def beside(predictions: pd.DataFrame, folder: Path | None) -> pd.DataFrame:
    """Return predictions with those of the fake-news study's systems on the same articles.

    `folder`: predictions of notebook 02, or None for the models alone. ValueError where it lacks an
    article.
    """
    if folder is None:
        return predictions
    other = pd.read_parquet(folder / "predictions.parquet")
    other = other[(other["protocol"] == STORY) & (other["variant"] == "")]
    wanted = predictions["id"].unique()
    if missing := sorted(set(wanted) - set(other["id"])):
        raise ValueError(f"{folder / 'predictions.parquet'}: no row of article {missing[0]}")
    return pd.concat([predictions, other[other["id"].isin(wanted)]], ignore_index=True)


def table(board: Board, costs: pd.DataFrame) -> pd.DataFrame:
    """Return one row a system: model, mode, remark, SHOWN with limits, seeds, trainable weights.

    In the order of the runs, not of the scores: what starts untrained is in no ranking. Systems
    that have no costs, of the fake-news study, come after, by AUC.
    """
    rows = []
    for system, runs in costs.groupby("system", sort=False):
        first = runs.iloc[0]
        row = {"system": system, "model": first["model"], "mode": _shown(first["mode"]),
               "remark": first["remark"]}  # fmt: skip
        row |= board.row(system, SHOWN) | {"seeds": len(runs), "trainable": first["trainable"]}
        rows.append(row)
    others = [name for name in board.scores if name not in set(costs["system"])]
    made = [{"system": n, "model": n, "mode": "", "remark": ""} | board.row(n, SHOWN) |
            {"seeds": len(board.scores[n])} for n in others]  # fmt: skip
    return pd.DataFrame(rows + sorted(made, key=lambda row: -row["auc"]))


def spent(measured: pd.DataFrame) -> pd.DataFrame:
    """Return seconds and peak memory of a system's runs, the mean over seeds; systems as rows."""
    return measured.groupby("system", sort=False)[["seconds", "peak_memory_mb"]].mean()


def gains(board: Board, costs: pd.DataFrame) -> pd.DataFrame:
    """Return what examples and fine-tuning add to each model, in AUC on the same articles.

    Columns model, mode, difference (limits) from zero-shot, p, p_holm (paired bootstrap).
    """
    known = costs.drop_duplicates("system").set_index(["model", "mode"])["system"]
    rows = []
    for (model, mode), system in known.items():
        if mode == MODES[0] or (model, MODES[0]) not in known.index:
            continue
        gap = board.gap(system, known[model, MODES[0]], "auc")
        rows.append({"model": model, "mode": _shown(mode)} | gap)
    made = pd.DataFrame(rows)
    return made if made.empty else made.assign(p_holm=holm(made["p"]))


def _shown(mode: str) -> str:
    """Return a mode or a recipe as a table shows it."""
    return mode.replace("_", "-")


def losses(histories: pd.DataFrame, systems: Sequence[str]) -> Figure:
    """Draw the loss of training and validation of each system, a panel each, a line a seed."""
    fig, axes = figures.new(1, len(systems), (4.6 * len(systems), 3.2), sharey=True, squeeze=False)
    kinds = {"loss": ("training", "orange"), "validation": ("validation", "blue")}
    for ax, system in zip(axes[0], systems, strict=True):
        rows = histories[histories["system"] == system]
        for place, (name, (words, color)) in enumerate(kinds.items()):
            for _, part in rows.groupby("seed"):
                ax.plot(part["step"], part[name], color=figures.PALETTE[color], marker="o")
            ax.text(0.98, 0.95 - 0.09 * place, words, transform=ax.transAxes, ha="right",
                    va="top", color=figures.PALETTE[color], fontweight="bold")  # fmt: skip
        ax.set(title=system.replace("_", " "), xlabel="step")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0][0].set_ylim(0, 1.08 * histories[["loss", "validation"]].to_numpy().max())
    axes[0][0].set_ylabel("cross-entropy a token")
    return fig


def published() -> pd.DataFrame:
    """Return the published rows: setting, accuracy, f1, source."""
    return pd.read_csv(paths.resolve(PUBLISHED))


__all__ = ["beside", "build", "gains", "losses", "published", "table"]

"""The printed tables of SemiMemes as data, and what follows from them by arithmetic alone.

Two versions differ: the thesis (slides; Tables 2 to 5) and the paper (arXiv 2304.00020, ICCCI
2023, numbers of its repository). `mami_counts`: labels of MAMI as counted in TIB-VA's copy.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from lib import tables

DATA = Path(__file__).with_name("data")
TYPES = ("shaming", "stereotype", "objectification", "violence")
WIDTH, HIDDEN = 768, 256  # CLIP's features, units of a branch
ROWS = {"training": 8000, "validation": 2000, "test": 1000}
REFERENCE_MSE = {"image to text": 0.1171, "text to image": 0.1706}  # validation, its notebook
DECIMALS = 4  # of the printed scores


@cache
def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / f"{name}.csv")


def thesis() -> pd.DataFrame:
    """Tables 3 and 4 of the thesis: ratio, system, f1 (task B), auc; test set, one seed."""
    return _read("published_thesis").copy()


def paper() -> pd.DataFrame:
    """The paper's task B: ratio, system, validation, test; one seed."""
    return _read("published_paper").copy()


def ablation() -> pd.DataFrame:
    """Table 5 of the thesis: ratio, system, crom_ae, db_loss (yes, no), f1; one seed."""
    return _read("published_ablation").copy()


def others() -> pd.DataFrame:
    """Results of others with all labels: system, task_a, task_b, note."""
    return _read("published_others").copy()


def mami_counts() -> pd.DataFrame:
    """Memes and positives of each label: part (training, test), memes, misogynous, the types."""
    return _read("mami_counts").copy()


def task_b_of_rates(truth: np.ndarray, rows: int, rates: np.ndarray) -> float:
    """Expected task B of answers drawn at `rates` (4,) for `truth` (4,) positives of `rows`.

    Counts are replaced by their expectations: exact for rates 0 and 1, near for the rest.
    """
    share, rates = np.asarray(truth, float) / rows, np.asarray(rates, float)
    positive = 2 * share * rates / (share + rates)
    negative = 2 * (1 - share) * (1 - rates) / np.maximum(2 - share - rates, 1e-12)
    return float(((positive + negative) / 2) @ share / share.sum())


def trivial_scores() -> dict[str, float]:
    """Task B on MAMI's test set of systems that look at nothing, from the counts alone."""
    counts = mami_counts().set_index("part")
    types = list(TYPES)
    truth, rows = counts.loc["test", types].to_numpy(float), int(counts.loc["test", "memes"])
    seen = counts.loc["training", types] / counts.loc["training", "memes"]
    return {
        "all negative": task_b_of_rates(truth, rows, np.zeros(4)),
        "all positive": task_b_of_rates(truth, rows, np.ones(4)),
        "random at training prevalence": task_b_of_rates(truth, rows, seen.to_numpy(float)),
    }


def parameters(width: int = WIDTH, hidden: int = HIDDEN, outputs: int = 4) -> dict[str, int]:
    """Weights of the parts: an auto-encoder, the head, all that a meme passes through."""
    linear = width * width + width
    autoencoder = linear + width + linear  # encoder, slopes of PReLU, decoder
    head = 4 * (width * hidden + hidden) + 4 * hidden * outputs + outputs
    return {"auto-encoder": autoencoder, "head": head, "all": head + 2 * autoencoder}


def versions() -> pd.DataFrame:
    """Test task B of both versions side by side: ratio, system, thesis, paper, difference."""
    table = thesis().merge(paper(), on=["ratio", "system"])
    table = table.rename(columns={"f1": "thesis", "test": "paper"})
    table["difference"] = table["paper"] - table["thesis"]
    return table[["ratio", "system", "thesis", "paper", "difference"]]


def ablation_effects() -> dict[str, float]:
    """What each part adds in Table 5, alone and on top of the other; all of one seed."""
    f1 = ablation().set_index("system")["f1"]
    alone = {
        "loss": f1["raw_only"] - f1["raw_only_bce"],
        "ae": f1["raw_n_cook_bce"] - f1["raw_only_bce"],
    }
    return {
        "DB loss alone": float(alone["loss"]),
        "auto-encoder alone": float(alone["ae"]),
        "auto-encoder on top of the loss": float(f1["raw_n_cook"] - f1["raw_only"]),
        "loss on top of the auto-encoder": float(f1["raw_n_cook"] - f1["raw_n_cook_bce"]),
        "both": float(f1["raw_n_cook"] - f1["raw_only_bce"]),
    }


def shown(value: float) -> str:
    """A printed number as text: a score with four decimals, a count without any."""
    return tables.count(value) if value > 1 else tables.number(value, DECIMALS)


def statements() -> pd.DataFrame:
    """What is printed and can be recomputed: about, statement, printed, recomputed, holds."""
    trivial, weights = trivial_scores(), parameters()
    at = thesis().set_index(["ratio", "system"])
    ours, rival = at.loc[(0.3, "raw_n_cook")], at.loc[(0.3, "tib_va")]
    silent, blind = at.loc[(0.1, "ext_pie_net")], at.loc[(0.05, "ext_pie_net")]
    later = versions().set_index(["ratio", "system"]).loc[(0.05, "tib_va")]
    effects = ablation_effects()
    parts = effects["DB loss alone"] + effects["auto-encoder alone"]
    least, unit = REFERENCE_MSE["image to text"], 4 / WIDTH
    negative, labelled = trivial["all negative"], 0.3 * ROWS["training"]
    rows = [
        ("Table 3", "Ext-PIE-Net at .1 scores more than giving no label",
         silent["f1"], negative, round(silent["f1"] - negative, DECIMALS) > 0),
        ("Table 4", "Ext-PIE-Net at .05 ranks better than chance",
         blind["auc"], 0.5, blind["auc"] > 0.5),
        ("Table 4", "ours has the best AUC at .3", ours["auc"], rival["auc"],
         ours["auc"] >= rival["auc"]),
        ("Table 5", "the two parts add up", effects["both"], parts,
         abs(effects["both"] - parts) < 10.0**-DECIMALS),
        ("both versions", "TIB-VA at .05 is the same in thesis and paper",
         later["thesis"], later["paper"], later["thesis"] == later["paper"]),
        ("paper", "the system has 3.1 million parameters", 3.1e6, weights["all"],
         weights["all"] // 1e5 == 31),
        ("slides", "2000 of 8000 memes are labelled at .3", 2000, labelled, labelled == 2000),
        ("notebook", "the auto-encoder's error is possible for unit vectors", least, unit,
         least <= unit),
    ]  # fmt: skip
    columns = ["about", "statement", "printed", "recomputed", "holds"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(holds=table["holds"].astype(bool))

"""What the fake-news study found: the files that notebook 02 leaves, read back and sorted out.

Every number of the report is computed from these tables; nothing is trained or scored again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from lib import paths
from lib.fnd import FILES, OUTLET, STORY
from lib.fnd.findings.board import Board, build
from lib.schema import read_pairs

PROTOCOLS = {STORY: "story split", OUTLET: "outlets held out"}
TRIVIAL = ("always_positive", "majority", "outlet_only")
FND_CLIP, OURS, TEXT, IMAGE = "fnd_clip", "gated_interaction", "text_only", "image_only"
COUNTERPARTS = {  # key of a published row -> our system
    "fnd_clip": FND_CLIP, "nmb_teacher": "nmb_teacher", "bert_resnet": "bert_resnet_tuned",
    "spotfake": "spotfake", "spotfake_plus": "spotfake_plus",
    "distilroberta_clip": "distilroberta_clip", "text": TEXT, "image": IMAGE,
}  # fmt: skip
SWAPS = {
    "image_swapped": "another picture", "text_shuffled": "another text",
    "image_dropped": "no picture", "text_dropped": "no text",
}  # fmt: skip
PERTURBATIONS = {
    "jpeg": "JPEG", "blur": "blur", "crop": "crop", "typos": "typos", "truncation": "truncation",
}  # fmt: skip


@dataclass(frozen=True)
class Findings:
    """The files of one run, and the pairs that they speak of."""

    predictions: pd.DataFrame  # one row an article, protocol, system, variant and seed
    attention: pd.DataFrame  # weights of modalities and similarity, story protocol
    histories: pd.DataFrame  # one row an epoch
    systems: pd.DataFrame  # system, title, family, uses, parent, stand_ins
    leakage: pd.DataFrame  # what lib.fnd.leakage reported before training
    search: pd.DataFrame  # learning rates tried on validation: system, lr, validation, chosen
    pairs: pd.DataFrame
    dataset: str = "nmb"
    sample: bool = True
    bootstrap: int = 1000  # resamples behind an interval
    card: Mapping = field(default_factory=dict)  # of a sample corpus: what was planted
    truth: pd.DataFrame = field(default_factory=pd.DataFrame)  # the same, article by article
    _boards: dict[tuple[str, str], Board] = field(default_factory=dict)

    def rows(self, protocol: str = STORY, variant: str = "") -> pd.DataFrame:
        """Return the predictions of one protocol and variant."""
        rows = self.predictions
        return rows[(rows["protocol"] == protocol) & (rows["variant"] == variant)]

    def board(self, protocol: str = STORY) -> Board:
        """Return all systems of a protocol on its test rows."""
        if (protocol, "") not in self._boards:
            self._boards[protocol, ""] = build(self.rows(protocol), self.bootstrap)
        return self._boards[protocol, ""]

    def changed(self, variant: str, protocol: str = STORY) -> Board:
        """Return a board with each system as it is and as `variant:<system>`, on the same rows.

        A variant may have been run on some test rows only; thresholds are those of the unchanged.
        """
        if (protocol, variant) not in self._boards:
            altered, plain = self.rows(protocol, variant), self.rows(protocol)
            plain = plain[plain["id"].isin(altered["id"].unique())]
            plain = plain[plain["system"].isin(altered["system"].unique())]
            renamed = altered.assign(system=f"{variant}:" + altered["system"])
            cuts = dict(self.board(protocol).cuts)
            cuts |= {f"{variant}:{name}": cut for name, cut in cuts.items()}
            both = pd.concat([plain[plain["split"] == "test"], renamed], ignore_index=True)
            self._boards[protocol, variant] = build(both, self.bootstrap, cuts)
        return self._boards[protocol, variant]

    @cached_property
    def protocols(self) -> list[str]:
        """Protocols that were run, the story split first."""
        found = set(self.predictions["protocol"].unique())
        return [name for name in PROTOCOLS if name in found]

    def names(self, protocol: str = STORY) -> list[str]:
        """Return the systems of a protocol in the order of the systems' table."""
        found = set(self.rows(protocol)["system"].unique())
        return [name for name in self.systems["system"] if name in found]

    def variants(self, kind: str) -> list[str]:
        """Return the variants that begin with `kind`, in the order they were made."""
        found = self.predictions["variant"].drop_duplicates()
        return [name for name in found if name.startswith(kind)]

    def title(self, system: str) -> str:
        """Return a system's name as shown."""
        return self._titles.get(system, system.replace("_", " "))

    @cached_property
    def _titles(self) -> dict[str, str]:
        return dict(zip(self.systems["system"], self.systems["title"], strict=True))

    def of_family(self, *families: str) -> list[str]:
        """Return the systems of some families."""
        rows = self.systems
        return rows.loc[rows["family"].isin(families), "system"].tolist()

    @cached_property
    def collection(self) -> str:
        """Name that published tables give the data: FakeNewsNet's come from one of its sources."""
        sources = self.pairs["source"].unique()
        return (
            str(sources[0])
            if self.dataset == "fakenewsnet" and len(sources) == 1
            else (self.dataset)
        )

    @cached_property
    def seeds(self) -> int:
        """Number of training seeds."""
        return int(self.rows().groupby("system")["seed"].nunique().max())

    @cached_property
    def best_other(self) -> str:
        """The published system with the highest macro-F1 on test; "" where none was run."""
        board, mine = self.board(), self.systems.set_index("system")
        names = [
            name
            for name in self.names()
            if mine.at[name, "uses"] == "text + image"
            and not mine.at[name, "parent"]
            and mine.at[name, "family"] != "ours"
        ]
        return max(names, key=lambda name: board.drawn(name, "macro_f1")[0].mean(), default="")


def read(
    folder: Path | str,
    pairs: Path | str,
    root: Path | None = None,
    dataset: str = "nmb",
    bootstrap: int = 1000,
    sample: bool | None = None,
) -> Findings:
    """Return the run in `folder` with its pairs table; root: of the data set, for its card.

    FileNotFoundError or ValueError, one line, when a file or an article is missing.
    """
    folder = paths.resolve(folder)
    for name in FILES:
        if not (folder / f"{name}.parquet").is_file():
            where = paths.relative(folder)
            raise FileNotFoundError(f"{where}/{name}.parquet: no such file; run 02 first")
    found = {name: pd.read_parquet(folder / f"{name}.parquet") for name in FILES}
    table = read_pairs(paths.resolve(pairs))
    unknown = found["predictions"].loc[~found["predictions"]["id"].isin(table["id"]), "id"]
    if len(unknown):
        raise ValueError(f"{pairs}: article {unknown.iloc[0]} of the predictions is not in it")
    return gather(found, table, root, dataset, bootstrap, sample)


def gather(
    found: Mapping[str, pd.DataFrame],
    pairs: pd.DataFrame,
    root: Path | None = None,
    dataset: str = "nmb",
    bootstrap: int = 1000,
    sample: bool | None = None,
) -> Findings:
    """Return the tables FILES of a run that is still in memory as findings."""
    card, truth = truth_of(root)
    parts = [found[name] for name in FILES]
    is_sample = bool(card) if sample is None else sample
    return Findings(*parts, pairs, dataset, is_sample, bootstrap, card, truth)


def truth_of(root: Path | None) -> tuple[dict, pd.DataFrame]:
    """Return card.json and truth.csv of a sample corpus; both empty for a real one."""
    if root is None or not (root / "card.json").is_file():
        return {}, pd.DataFrame()
    card = json.loads((root / "card.json").read_text(encoding="utf-8"))
    file = root / "truth.csv"
    truth = pd.read_csv(file, dtype={"id": str}) if file.is_file() else pd.DataFrame()
    return card, truth


def defects(predictions: pd.DataFrame) -> list[str]:
    """Return what can be wrong with a table of predictions whatever the data, one line each."""
    keys = ["protocol", "system", "variant", "seed", "id"]
    found = []
    if predictions.duplicated(keys).any():
        found.append("an article stands twice in one run")
    if not predictions["score"].between(0, 1).all():
        found.append("a score is no probability")
    if not predictions["y_true"].isin([0, 1]).all():
        found.append("a label is neither 0 nor 1")
    whole = predictions[(predictions["variant"] == "") & (predictions["split"] == "test")]
    sizes = whole.groupby(["protocol", "system", "seed"], observed=True)["id"].nunique()
    if (sizes.groupby("protocol").nunique() > 1).any():
        found.append("systems of one protocol were tested on different articles")
    story = predictions[predictions["protocol"] == STORY].drop_duplicates(["group", "split"])
    if story.duplicated("group").any():
        found.append("a group has rows in both validation and test")
    return found

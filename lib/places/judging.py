"""Judging a sample by eye: which posts to look at, the labeller, agreement, Table 2.

A label is the true class or "none", not success or failure, so that any system can be scored on it,
also one that changes its answer.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import BytesIO
from itertools import combinations
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd

from lib.data.images import load_rgb
from lib.places.labels import LABEL_COLUMNS, NONE, display_of, names, read_labels, write_labels
from lib.places.selective import accuracies, class_precision
from lib.stats import Interval, bootstrap_ci

SYSTEM = ["system", "variant"]
KEYS = {"n": "none", "s": "skip", "u": "undo"}


def draw_judging_sample(
    predictions: pd.DataFrame,
    classes: int | Sequence[str] = 10,
    per_class: int = 100,
    seed: int = 0,
) -> pd.DataFrame:
    """Posts to judge: for every system, `per_class` of each of its classes, one row a draw.

    predictions: id, system, y_pred (and variant), one row a post and system. classes: how many of
    each system's most frequent answers (the paper: 10), or their names. Returns system, variant,
    y_pred, frequency (posts so answered), drawn, id, inclusions (strata that drew the post).

    All systems rank the posts by one random order and a stratum takes the first of its own, so each
    stratum is a simple random sample while systems that agree share the posts to be judged.
    """
    frame = predictions.assign(variant=predictions.get("variant", ""))
    ids = np.sort(frame["id"].unique())
    place = pd.Series(np.random.default_rng(seed).permutation(len(ids)), index=ids)
    frame = frame.assign(place=place.loc[frame["id"]].to_numpy()).sort_values("place")
    drawn = []
    for (system, variant), answers in frame.groupby(SYSTEM):
        # Most frequent first; equal counts by name, so that the choice does not hang on row order.
        counts = answers["y_pred"].value_counts().sort_index()
        counts = counts.sort_values(ascending=False, kind="stable")
        chosen = counts.index[:classes] if isinstance(classes, int) else classes
        for label in [label for label in chosen if label in counts]:
            posts = answers.loc[answers["y_pred"] == label, "id"].head(per_class)
            drawn += [(system, variant, label, counts[label], len(posts), post) for post in posts]
    sample = pd.DataFrame(drawn, columns=[*SYSTEM, "y_pred", "frequency", "drawn", "id"])
    return sample.assign(inclusions=sample.groupby("id")["id"].transform("size"))


def judging_list(sample: pd.DataFrame, seed: int = 0) -> list[str]:
    """Every post of the sample once, shuffled so that no class or system comes in a run."""
    ids = np.sort(sample["id"].unique())
    return np.random.default_rng(seed).permutation(ids).tolist()


def utc_now() -> str:
    """Time of day, ISO 8601, seconds, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class LabelSession:
    """One annotator's way through a list of posts: answer, skip, undo, save, resume.

    Skipped posts come back at the end. With a `path`, every change is saved at once; the rows of
    other annotators in the file are kept, and this one's earlier answers count as done.
    """

    def __init__(
        self,
        items: Sequence[str],
        annotator: str,
        path: str | Path | None = None,
        clock: Callable[[], str] = utc_now,
    ) -> None:
        """Take up `items` in their order, less those that the file already answers."""
        if len(set(items)) != len(items):
            raise ValueError("items: a post is listed twice")
        if not annotator.strip():
            raise ValueError("annotator: give a name, it is stored with every label")
        self.annotator, self.path, self.clock = annotator, path and Path(path), clock
        self.items, self.answers, self.history = list(items), {}, []
        if self.path and self.path.exists():
            mine = read_labels(self.path).query("annotator == @self.annotator")
            self.answers = {row.id: (row.label, row.time) for row in mine.itertuples()}
        self.queue = [item for item in self.items if item not in self.answers]

    @property
    def current(self) -> str | None:
        """The post to judge now, None when all are done."""
        return self.queue[0] if self.queue else None

    @property
    def progress(self) -> tuple[int, int]:
        """(judged, all) of this list."""
        return len(self.items) - len(self.queue), len(self.items)

    def answer(self, label: str) -> None:
        """Store the true class (raw name) or "none" for the current post."""
        if label not in {*names(), NONE}:
            raise ValueError(f"label: {label!r} is no raw Places name and not none")
        post = self._take()
        self.answers[post] = (label, self.clock())
        self.history.append(("answer", post))
        self._save()

    def skip(self) -> None:
        """Leave the current post for later."""
        post = self._take()
        self.queue.append(post)
        self.history.append(("skip", post))

    def undo(self) -> bool:
        """Take back the last answer or skip of this sitting; False when there is none."""
        if not self.history:
            return False
        what, post = self.history.pop()
        if what == "skip":
            self.queue.remove(post)
        self.answers.pop(post, None)
        self.queue.insert(0, post)
        self._save()
        return True

    def frame(self) -> pd.DataFrame:
        """This annotator's labels, in the order they were given."""
        rows = [(post, label, self.annotator, time) for post, (label, time) in self.answers.items()]
        return pd.DataFrame(rows, columns=LABEL_COLUMNS)

    def _take(self) -> str:
        if not self.queue:
            raise ValueError("nothing left to judge")
        return self.queue.pop(0)

    def _save(self) -> None:
        if not self.path:
            return
        others = pd.DataFrame(columns=LABEL_COLUMNS)
        if self.path.exists():
            others = read_labels(self.path).query("annotator != @self.annotator")
        write_labels(pd.concat([others, self.frame()], ignore_index=True), self.path)


class Labeller:
    """Notebook view of a session: picture, caption on demand, shortcuts, search, undo, progress.

    posts: id, image (relative to `root`), text; suggestions: classes to offer per post (shown in
    alphabetical order, so that no system's first choice is given away). The box takes a class
    name, or a key and Enter: 1-9 a suggestion, n none, s skip, u undo, c caption.
    """

    def __init__(
        self,
        session: LabelSession,
        posts: pd.DataFrame,
        root: str | Path,
        suggestions: dict[str, list[str]] | None = None,
    ) -> None:
        """Build the widgets; `view` is what a notebook displays."""
        self.session, self.posts, self.root = session, posts.set_index("id"), Path(root)
        self.suggestions = suggestions or {}
        self.raw_of = {display_of(raw): raw for raw in [*names(), NONE]}
        self.picture = widgets.Image(format="jpeg", width=300, height=300)
        self.caption, self.message = widgets.HTML(), widgets.Label()
        self.show_caption = widgets.ToggleButton(description="c  caption")
        self.show_caption.observe(lambda _: self.refresh(), names="value")
        self.box = widgets.Combobox(
            options=list(self.raw_of),
            continuous_update=False,
            placeholder="a key or a class, then Enter",
        )
        self.box.observe(lambda change: self.submit(change["new"]), names="value")
        self.keys = {key: self._button(key, word) for key, word in KEYS.items()}
        self.offers, self.bar = widgets.HBox(), widgets.IntProgress(max=session.progress[1])
        row = widgets.HBox([*self.keys.values(), self.show_caption])
        foot = widgets.HBox([self.bar, self.message])
        self.view = widgets.VBox([self.picture, self.caption, self.offers, self.box, row, foot])
        self.refresh()

    def submit(self, text: str) -> None:
        """Do what a key, a button or a class name says; an unknown word only leaves a message."""
        text = text.strip()
        offered = self._offered()
        if not text:
            return
        self.box.value, self.message.value = "", ""
        if text == "c":
            self.show_caption.value = not self.show_caption.value
        elif text == "u":
            self.session.undo()
        elif self.session.current is None:
            self.message.value = "all judged"
        elif text == "s":
            self.session.skip()
        elif text.isdigit() and 0 < int(text) <= len(offered):
            self.session.answer(offered[int(text) - 1])
        elif text == "n" or text in self.raw_of:
            self.session.answer(NONE if text == "n" else self.raw_of[text])
        else:
            self.message.value = f"{text!r} is no class and no key"
            return
        self.refresh()

    def refresh(self) -> None:
        """Show the current post."""
        self.bar.value, total = self.session.progress
        post = self.session.current
        self.picture.value = b"" if post is None else self._jpeg(post)
        text = "" if post is None else self.posts.loc[post, "text"]
        self.caption.value = html.escape(text) if self.show_caption.value else ""
        offered = enumerate(map(display_of, self._offered()), start=1)
        self.offers.children = [self._button(str(number), name) for number, name in offered]
        self.message.value = self.message.value or f"{self.bar.value} of {total}"

    def _button(self, key: str, word: str) -> widgets.Button:
        wide = widgets.Layout(width="auto")  # two-level names are longer than a button
        button = widgets.Button(description=f"{key}  {word}", layout=wide)
        button.on_click(lambda _: self.submit(key))
        return button

    def _offered(self) -> list[str]:
        return sorted(self.suggestions.get(self.session.current, []))[:9]

    def _jpeg(self, post: str) -> bytes:
        buffer = BytesIO()
        load_rgb(self.root / self.posts.loc[post, "image"]).save(buffer, "jpeg", quality=90)
        return buffer.getvalue()


def cohen_kappa(a: Sequence[str], b: Sequence[str], n: int = 2000, seed: int = 0) -> Interval:
    """Agreement of two annotators beyond chance (Cohen 1960), with a bootstrap interval."""
    codes = pd.factorize(np.concatenate([np.asarray(a), np.asarray(b)]))[0].reshape(2, -1).T
    return bootstrap_ci(codes, _kappa, n=n, seed=seed)


def _kappa(codes: np.ndarray) -> float:
    k = codes.max() + 1
    a, b = np.bincount(codes[:, 0], minlength=k), np.bincount(codes[:, 1], minlength=k)
    chance = float(a @ b) / len(codes) ** 2
    agreed = float((codes[:, 0] == codes[:, 1]).mean())
    return (agreed - chance) / (1 - chance) if chance < 1 else float("nan")


def agreement(labels: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Every two annotators: n posts both judged, share of equal labels, kappa, low, high."""
    wide = labels.pivot(index="id", columns="annotator", values="label")
    rows = []
    for first, second in combinations(wide.columns, 2):
        both = wide[[first, second]].dropna()
        if len(both):
            kappa = cohen_kappa(both[first], both[second], seed=seed)
            same = float((both[first] == both[second]).mean())
            rows.append((first, second, len(both), same, *kappa))
    columns = ["annotator_a", "annotator_b", "n", "agreed", "kappa", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def table2(sample: pd.DataFrame, labels: dict[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Table 2 for each system, and its accuracies over those classes.

    sample: of `draw_judging_sample`; labels: id -> true class or none. First frame: system,
    variant, y_pred, frequency, judged, hits, precision, low, high (Wilson). Second: system,
    variant, classes, unweighted and weighted (by frequency, a stratified estimate) accuracy with
    intervals. Posts without a label are not counted as judged.
    """
    judged = sample[sample["id"].isin(labels)]
    judged = judged.assign(hit=judged["id"].map(labels) == judged["y_pred"])
    strata = judged.groupby([*SYSTEM, "y_pred", "frequency"])["hit"].agg(judged="size", hits="sum")
    strata = strata.reset_index().sort_values([*SYSTEM, "frequency"], ascending=[True, True, False])
    found = [
        dict(zip(SYSTEM, key, strict=True)) | accuracies(rows)
        for key, rows in strata.groupby(SYSTEM)
    ]
    return class_precision(strata), pd.DataFrame(found)

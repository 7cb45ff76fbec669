"""What each system finds for a text, and how far that is from what the first one finds."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from lib import figures
from lib.data.images import ImageError, load_rgb
from lib.retrieval.evaluation import DECIMALS

THUMB = 128  # pixels, longer side
KEPT_THUMBS = 2000  # about 10 MB


class System(NamedTuple):
    """One way to search. encode: text -> (d,); images: (n, d), rows of the gallery.

    bias: (n,) taken off the cosines, see lib.retrieval.hubness, or None. Nothing need be
    normalised; a picture whose row is not finite is never found.
    """

    encode: Callable[[str], np.ndarray]
    images: np.ndarray
    bias: np.ndarray | None = None


@dataclass(frozen=True)
class Hits:
    """What one system finds. rank: expected rank of the right picture, None if none is known."""

    system: str
    ids: tuple[int, ...]  # rows of the gallery, best first
    scores: tuple[float, ...]  # cosine minus bias
    rank: float | None
    moved: tuple[int | None, ...]  # places up (+) or down (-) against the first system


@dataclass(frozen=True)
class Answer:
    """All systems' hits for one text. right: row of the picture that belongs to it, or None."""

    text: str
    right: int | None
    hits: tuple[Hits, ...]


class Gallery:
    """Pictures, the titles they belong to, and the systems that search them."""

    def __init__(
        self,
        systems: Mapping[str, System | tuple],
        images: Sequence[str],
        titles: Mapping[str, int],
        root: str | Path,
        shown: int = 5,
        show_content: bool = False,
    ) -> None:
        """Check that all parts fit; ValueError names the system that does not.

        systems: in the order of the columns, the first one is compared with; images: files below
        `root`, one a row; titles: test title -> row of its picture; shown: pictures a system;
        show_content: False blurs every picture (data that may not be published).
        """
        self.systems = {name: System(*parts) for name, parts in systems.items()}
        self.images, self.titles, self.root = list(images), dict(titles), Path(root)
        self.shown, self.show_content = shown, show_content
        self.rows = {_plain(title): row for title, row in self.titles.items()}
        self.thumbs: dict[int, str] = {}
        self._check()
        units: dict[int, np.ndarray] = {}  # systems that share an array share its unit rows
        for system in self.systems.values():
            if id(system.images) not in units:
                units[id(system.images)] = _unit(system.images)
        self.units = {name: units[id(system.images)] for name, system in self.systems.items()}

    def ask(self, text: str) -> Answer:
        """Search with a text; a test title, case and spaces apart, brings its right picture."""
        right = self.rows.get(_plain(text))
        if not text.strip():
            return Answer("", None, ())
        encoders = dict.fromkeys(system.encode for system in self.systems.values())
        features = {encode: encode(text) for encode in encoders}
        hits: list[Hits] = []
        first: np.ndarray | None = None
        for name in self.systems:
            scores = self._scores(name, features[self.systems[name].encode])
            order = np.argsort(-scores, kind="stable")
            found = order[: self.shown]
            found = found[np.isfinite(scores[found])]
            place = np.empty(len(order), np.int64)
            place[order] = np.arange(len(order))
            first = place if first is None else first
            moved = tuple(int(first[i] - place[i]) if hits else None for i in found)
            rank = None if right is None else expected_rank(scores, right)
            kept = tuple(float(scores[i]) for i in found)
            hits.append(Hits(name, tuple(int(i) for i in found), kept, rank, moved))
        return Answer(text.strip(), right, tuple(hits))

    def thumb(self, row: int) -> str:
        """Picture of a row as the `src` of an <img>; "" for a file that cannot be read."""
        if row not in self.thumbs:
            if len(self.thumbs) >= KEPT_THUMBS:
                self.thumbs.clear()
            self.thumbs[row] = self._thumb(row)
        return self.thumbs[row]

    def _thumb(self, row: int) -> str:
        try:
            picture = load_rgb(self.root / self.images[row])
        except ImageError:
            return ""
        picture.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
        shown = picture if self.show_content else figures.blur(picture)
        buffer = BytesIO()
        shown.save(buffer, "jpeg", quality=85)
        return "data:image/jpeg;base64," + b64encode(buffer.getvalue()).decode()

    def _scores(self, name: str, feature: np.ndarray) -> np.ndarray:
        """Cosine minus bias of every picture, (n,) float64; -inf for what is no picture."""
        unit, bias = self.units[name], self.systems[name].bias
        query = np.asarray(feature, dtype=np.float32).reshape(-1)
        if query.shape != unit.shape[1:]:
            raise ValueError(f"{name}: a text has {len(query)} numbers, a picture {unit.shape[1]}")
        scores = unit @ _unit(query[None])[0]
        scores = scores if bias is None else scores - np.asarray(bias, dtype=np.float32)
        return np.where(np.isfinite(scores), scores.astype(np.float64), -np.inf)

    def _check(self) -> None:
        if not self.systems:
            raise ValueError("systems: at least one is needed")
        for name, system in self.systems.items():
            if len(system.images) != len(self.images):
                count = len(system.images)
                raise ValueError(f"{name}: features of {count} pictures for {len(self.images)}")
            if system.bias is not None and np.shape(system.bias) != (len(self.images),):
                raise ValueError(f"{name}: the bias needs one number a picture")
        for title, row in self.titles.items():
            if not 0 <= row < len(self.images):
                raise ValueError(f"titles: {title!r} belongs to row {row}, which is no picture")


def expected_rank(scores: np.ndarray, right: int) -> float | None:
    """Rank of one picture from 1, equal scores shared as in lib.retrieval.evaluation."""
    if not np.isfinite(scores[right]):
        return None
    rounded = scores.round(DECIMALS)
    equal = int((rounded == rounded[right]).sum())
    return float((rounded > rounded[right]).sum() + (equal + 1) / 2)


def _plain(title: str) -> str:
    return " ".join(title.split()).casefold()


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32; a zero row stays zero."""
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

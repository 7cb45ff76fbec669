"""What systems read: named arrays in the order of the pairs table, and copies of them changed.

Arrays of a role are <role>_last (n, d), <role>_layers (n, L + 1, d), <role>_chunks (n, C, d),
<role>_sentences (n, S, d), <role>_tuned (activations at the boundary) for text, <role>_image and
<role>_image_tuned for pictures, clip_image, clip_text, clip2_image, clip2_text; a name with _count
behind it (n,) says how many of C, S or tokens are there. A row of NaN says that there is no
picture (or that it was dropped); a fitted system puts the mean of its training rows there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib import paths
from lib.embeddings import read_embeddings
from lib.fnd.systems import System, modality_of
from lib.fnd.towers.store import read_features
from lib.fnd.towers.tops import Towers
from lib.schema import read_pairs

SWAPS = ("image_swapped", "text_shuffled", "image_dropped", "text_dropped")
PROTOCOLS = {"story": "split", "outlet": "split_outlet"}
COLUMNS = {"id": "id", "label": "label", "group": "group", "outlet": "source", "split": "split"}
DETAILS = ("split_outlet", "categories", "text_label")
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Inputs:
    """Features and columns of the articles; all arrays have as many rows."""

    features: Arrays
    columns: Arrays  # id, label (1 Likely, 0 Unlikely), group, outlet, split, ...
    names: Mapping[str, str] = field(default_factory=dict)  # role or clip -> network that fills it
    changed: Mapping[str, tuple[np.ndarray, Arrays]] = field(default_factory=dict)
    towers: Towers = field(default_factory=dict)  # settings of the networks by name

    def __len__(self) -> int:
        """Return the number of articles."""
        return len(self.columns["label"])

    def __getitem__(self, name: str) -> np.ndarray:
        """Return an array of features, or a column."""
        return self.features[name] if name in self.features else self.columns[name]

    def rows(self, split: str, protocol: str = "story") -> np.ndarray:
        """Return the rows of a split; protocol story or outlet (test outlets unseen)."""
        return np.flatnonzero(self.columns[PROTOCOLS[protocol]] == split)

    def lacks(self, system: System) -> str:
        """Return which arrays a system would need and there are none of; "" if it can run."""
        return ", ".join(name for name in system.needs if name not in self.features)

    def stand_ins(self, system: System) -> str:
        """Return what fills the roles that a system reads, such as "bert: minilm"."""
        roles = sorted({name.split("_")[0] for name in system.needs})
        return ", ".join(f"{role}: {self.names[role]}" for role in roles if role in self.names)

    def take(self, rows: np.ndarray) -> Inputs:
        """Return some rows, in their order; perturbed copies are not part of it."""
        features = {name: array[rows] for name, array in self.features.items()}
        columns = {name: array[rows] for name, array in self.columns.items()}
        return replace(self, features=features, columns=columns, changed={})

    def swap(self, kind: str, seed: int = 0) -> Inputs:
        """Return a copy in which one modality tells nothing of its row.

        image_swapped, text_shuffled: each row gets that of another story of its split;
        image_dropped, text_dropped: there is none. ValueError for another kind.
        """
        if kind not in SWAPS:
            raise ValueError(f"swap: {kind!r} is not one of {', '.join(SWAPS)}")
        modality, how = kind.split("_")
        other = None if how == "dropped" else self._others(seed)
        features = dict(self.features)
        for name, array in self.features.items():
            if modality_of(name) == modality:
                features[name] = _emptied(array) if other is None else array[other]
        return replace(self, features=features, changed={})

    @property
    def perturbations(self) -> tuple[str, ...]:
        """Kinds of perturbed copies that the stage `features_nmb` made."""
        return tuple(self.changed)

    def perturbed(self, kind: str) -> Inputs:
        """Return the perturbed test rows alone, one modality changed; `row` is their place here."""
        rows, arrays = self.changed[kind]
        part = self.take(rows)
        features = dict(part.features) | {
            name: array for name, array in arrays.items() if name in part.features
        }
        return replace(part, features=features, columns=dict(part.columns) | {"row": rows})

    def _others(self, seed: int) -> np.ndarray:
        """Return for each row another one of its split, of another group where there is one."""
        rng = np.random.default_rng(seed)
        out = np.arange(len(self))
        codes = pd.factorize(self.columns["group"])[0]
        codes = rng.permutation(codes.max() + 1)[codes]
        for split in np.unique(self.columns["split"]):
            rows = self.rows(split)
            order = rows[np.argsort(codes[rows], kind="stable")]  # a group's rows side by side
            largest = np.bincount(codes[rows]).max()
            out[order] = np.roll(order, largest)
        return out


def read_inputs(
    pairs: Path | str, embeddings: Path | str, features: Path | str, clips: tuple[str, ...]
) -> Inputs:
    """Open everything memory-mapped.

    embeddings: folder that holds a folder for each of `clips` (the first is clip, the second
    clip2); features: what the stage features_nmb wrote. Raises EmbedError, FeatureError or
    PairsError where something is missing or was made from another pairs table.
    """
    table = read_pairs(paths.resolve(pairs))
    made = read_features(paths.resolve(features), pairs)
    arrays: dict[str, Any] = dict(made.arrays)
    names = dict(made.names)
    for place, encoder in enumerate(clips):
        key = "clip" if place == 0 else f"clip{place + 1}"
        found = read_embeddings(paths.resolve(embeddings) / encoder, pairs)
        names[key] = encoder
        arrays[f"{key}_text"] = found.text
        if found.valid.any():
            arrays[f"{key}_image"] = found.image
    changed = {
        kind: (rows, {_renamed(name, names): array for name, array in other.items()})
        for kind, (rows, other) in made.perturbed.items()
    }
    columns = {name: table[column].to_numpy() for name, column in COLUMNS.items()}
    columns |= {name: table[name].to_numpy() for name in DETAILS if name in table}
    return Inputs(arrays, columns, names, changed, made.towers)


def _renamed(name: str, names: Mapping[str, str]) -> str:
    """Return clip_image for <encoder>:image, and any other name as it is."""
    encoder, _, kind = name.partition(":")
    return next(
        (f"{key}_{kind}" for key, value in names.items() if kind and value == encoder), name
    )


def _emptied(array: np.ndarray) -> np.ndarray:
    """Return an array of nothing: NaN, or -1 for counts and token ids."""
    if not np.issubdtype(array.dtype, np.floating):
        return np.full_like(array, -1)
    return np.broadcast_to(array.dtype.type(np.nan), array.shape)

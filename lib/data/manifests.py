"""Split manifests: which rows each split has, as counts and digests, so that a result can be tied
to its rows and a study can refuse a table whose splits have moved.

A protocol is a way to split: `story` (column split: no group is cut) and `outlet` (column
split_outlet: test outlets are never seen in training). The digest is the sha256 of the split's
ids, sorted, a line each; anyone can check it with sort and sha256sum.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lib import paths
from lib.schema import SPLITS

PROTOCOLS = {"story": "split", "outlet": "split_outlet"}  # name -> column
FILE = "splits.json"
SHOWN = 12  # digits of a digest in a table

Manifest = dict[str, dict[str, dict[str, int | str]]]  # protocol -> split -> count, sha256


class ManifestError(ValueError):
    """A manifest is missing, or the splits of a table are not what it says; one line."""


def build(pairs: pd.DataFrame) -> Manifest:
    """The manifest of a pairs table; rows without a split are in none."""
    found: Manifest = {}
    for protocol, column in PROTOCOLS.items():
        if column not in pairs.columns:
            continue
        rows = {name: pairs.loc[pairs[column] == name, "id"] for name in SPLITS if name}
        found[protocol] = {
            name: {"count": len(ids), "sha256": digest(ids)} for name, ids in rows.items()
        }
    return found


def digest(ids: Iterable[str]) -> str:
    """The sha256 of some ids, whatever their order."""
    text = "".join(f"{name}\n" for name in sorted(ids))
    return hashlib.sha256(text.encode()).hexdigest()


def write(manifest: Manifest, folder: Path | str) -> Path:
    """Write splits.json into a folder; the file appears whole or not. Returns its path."""
    file = Path(folder) / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{FILE}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
    return file


def verify(pairs: pd.DataFrame, folder: Path | str) -> pd.DataFrame:
    """Check a table against the manifest in a folder and return it, see `table`.

    Raises ManifestError naming the first protocol and split that differ.
    """
    file = Path(folder) / FILE
    where = paths.relative(file)
    try:
        known: Manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ManifestError(
            f"{where}: no such file (notebooks/01_data_preparation.ipynb writes it)"
        ) from None
    except json.JSONDecodeError as error:
        raise ManifestError(f"{where}: not a JSON file ({error})") from None
    ours = build(pairs)
    for protocol in dict.fromkeys([*known, *ours]):
        for name in (split for split in SPLITS if split):
            said, found = (m.get(protocol, {}).get(name, {}) for m in (known, ours))
            if said != found:
                raise ManifestError(
                    f"{where}: split {name!r} of protocol {protocol!r} should have {_brief(said)}, "
                    f"the pairs table has {_brief(found)}"
                )
    return table(ours)


def table(manifest: Manifest) -> pd.DataFrame:
    """A manifest as a table: protocol, split, count, sha256 (its first digits)."""
    rows = [
        (protocol, name, part["count"], str(part["sha256"])[:SHOWN])
        for protocol, splits in manifest.items()
        for name, part in splits.items()
    ]
    return pd.DataFrame(rows, columns=["protocol", "split", "count", "sha256"])


def _brief(part: dict[str, int | str]) -> str:
    return f"{part['count']} rows ({str(part['sha256'])[:SHOWN]})" if part else "no rows"

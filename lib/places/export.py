"""The product the paper is after: a cleaned data set, with its measured precision."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from lib.places.labels import LEVELS, NONE, groups
from lib.places.selective import kept
from lib.stats import wilson

NEEDED = ("id", "y_pred", "score", "image", "text")
KEPT_COLUMNS = ["id", "label", "confidence", "image", "text"]


def export_clean(
    frame: pd.DataFrame,
    root: str | Path,
    threshold: float,
    classes: Sequence[str],
    out: str | Path,
    copy_images: bool = False,
    strict: bool = False,
    system: str = "",
) -> Path:
    """Write the posts predicted as one of `classes` with confidence >= `threshold` to folder `out`.

    frame: id, y_pred, score, image (relative to `root`), text and, where truth is known, y_true
    ("" where it is not). classes: [] = every predicted class but none. strict: > instead of >=.
    The folder gets kept.csv, manifest.json (criteria, counts, precision with Wilson limits, SHA-256
    digests) and, with copy_images, images/. It appears whole or not at all. ValueError, one line.
    """
    out = Path(out)
    _check(frame, threshold, classes, out)
    chosen = _chosen(frame, threshold, classes, strict)
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        digest = _images(chosen, Path(root), partial / "images" if copy_images else None)
        table = chosen.rename(columns={"y_pred": "label", "score": "confidence"})[KEPT_COLUMNS]
        table.to_csv(partial / "kept.csv", index=False, lineterminator="\n")
        comparison = ">" if strict else ">="
        criteria = {"system": system, "threshold": threshold, "comparison": comparison}
        criteria["classes"] = list(classes) or "all but none"
        digests = {"kept.csv": _sha256((partial / "kept.csv").read_bytes()), "images": digest}
        manifest = {"criteria": criteria, "sha256": digests} | _counts(frame, chosen)
        text = json.dumps(manifest, indent=2, ensure_ascii=False)
        (partial / "manifest.json").write_text(text + "\n", encoding="utf-8")
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _swap(partial, out)
    return out


def _swap(new: Path, out: Path) -> None:
    """Put folder `new` in the place of `out`; an earlier export goes only once it is replaced."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _check(frame: pd.DataFrame, threshold: float, classes: Sequence[str], out: Path) -> None:
    missing = [column for column in NEEDED if column not in frame]
    if missing:
        raise ValueError(f"export: column {missing[0]} is missing from the predictions")
    if isinstance(classes, str):
        raise ValueError(f"classes: {classes!r} is one string, need a list of class names")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold {threshold}: must lie in [0, 1]")
    if frame["id"].duplicated().any():
        twice = frame.loc[frame["id"].duplicated(), "id"].iloc[0]
        raise ValueError(f"export: post {twice} has two rows; choose one system, variant and seed")
    known = {NONE}.union(*(groups(level) for level in LEVELS))
    for name in classes:
        if name not in known:
            raise ValueError(f"classes: {name!r} is no Places class, group or scene")
    if out.exists() and not (out / "manifest.json").is_file():
        raise ValueError(f"{out}: exists and is no earlier export; choose another folder")


def _chosen(
    frame: pd.DataFrame, threshold: float, classes: Sequence[str], strict: bool
) -> pd.DataFrame:
    wanted = frame["y_pred"].isin(list(classes)) if classes else frame["y_pred"] != NONE
    chosen = frame[wanted & kept(frame["score"], threshold, strict)]
    return chosen.sort_values("id", kind="stable")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _images(chosen: pd.DataFrame, root: Path, target: Path | None) -> str:
    """One digest over the kept pictures in the order of kept.csv; copies them where asked."""
    digest = hashlib.sha256()
    pairs = zip(chosen["id"], chosen["image"], strict=True)
    for post, image in tqdm(pairs, total=len(chosen), desc="pictures", delay=2):
        path = root / image
        if not path.is_file():
            raise ValueError(f"{path}: picture of post {post} is missing")
        digest.update(f"{post} {_sha256(path.read_bytes())}\n".encode())
        if target:
            copy = target / image
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    return digest.hexdigest()


def _counts(frame: pd.DataFrame, chosen: pd.DataFrame) -> dict:
    """Numbers of posts, per class, and the precision among kept posts whose truth is known."""
    per_class = {name: int(n) for name, n in sorted(chosen["y_pred"].value_counts().items())}
    counts = {"posts": len(frame), "kept": len(chosen), "kept_per_class": per_class}
    truth = chosen.get("y_true", pd.Series("", index=chosen.index)).fillna("")
    known = truth != ""
    hits, judged = int((truth == chosen["y_pred"])[known].sum()), int(known.sum())
    found = wilson(hits, judged)
    limits = None if np.isnan(found.value) else {k: round(v, 6) for k, v in found._asdict().items()}
    return {"counts": counts, "precision": {"judged": judged, "hits": hits, "wilson_95": limits}}

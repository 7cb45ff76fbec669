"""A tiny made-up retrieval study in the layout that notebook 04 leaves, for a run without one.

Ranks are drawn, not computed: every query has a difficulty, every system moves it a little. Good
for seeing that pages render; the numbers mean nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lib.retrieval.evaluation import CUTOFF, KS
from lib.retrieval.hubs import METHODS, TEMPERATURES
from lib.schema import write_pairs

SETS = ("2022-rt", "2022-twitter", "2022-rss", "2023-p1", "2023-p2", "2023-rt")
ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
SEEDS = (0, 1, 2)
SPLITS = ("train", "validation", "test", "test")
AGGREGATIONS = ("title", "mean", "max", "embedding_mean")
SOUP = "seed0/best + seed1/best"
NONE = np.nan
QUERY = ["id", "source", "split", "group", "date", "kind"]
TAIL = {"": 1.0, "transductive": 3.0, "inductive": 2.0}  # flatter is fewer hubs
DEFAULTS = {
    "system": "", "encoder": "tiny_clip", "tuned": "", "method": "plain", "temperature": NONE,
    "bank": "", "aggregation": "title", "setting": "", "alpha": NONE, "seed": -1,
}  # fmt: skip
Drawn = tuple[pd.DataFrame, np.ndarray, dict]  # queries, rank of each, what the system is


def write_study(
    folder: Path, each: int = 40, seed: int = 0, sets: Sequence[str] = SETS
) -> tuple[Path, Path]:
    """Write pairs.parquet, pictures and predictions/ into `folder`; returns the first and last.

    each: pairs a source, at least 8; half of them (of a 2023 source, all) are test queries; sets:
    sources, those of 2022 have tuned models.
    """
    rng = np.random.default_rng(seed)
    pairs = _pairs(sets, each, rng)
    _pictures(pairs, folder, rng)
    _truth(pairs, folder, rng)
    write_pairs(pairs.drop(columns=["kind", "difficulty"]), folder / "pairs.parquet")
    out = folder / "predictions"
    out.mkdir(exist_ok=True)
    rows = _assemble(_systems(pairs, rng))
    rows.to_parquet(out / "queries.parquet")
    _top(rows, pairs, rng).to_parquet(out / "top.parquet")
    _selections(pairs, rng).to_parquet(out / "selections.parquet")
    _grid(rows).to_parquet(out / "grid.parquet")
    _hubness(rows, pairs, rng).to_parquet(out / "hubness.parquet")
    return out, folder / "pairs.parquet"


def _pairs(sets: Sequence[str], each: int, rng: np.random.Generator) -> pd.DataFrame:
    """Pairs of every source; each tenth repeats the group of the one before."""
    parts = []
    for source in sets:
        number = np.arange(each)
        year = int(source[:4])
        split = np.array(SPLITS)[np.sort(number % 4)] if year == 2022 else np.full(each, "test")
        days = pd.to_timedelta(np.linspace(0, 330, each).astype(int), "D")
        parts.append(pd.DataFrame({
            "id": [f"{source}/{i}" for i in number],
            "image": [f"{source.replace('-', '/')}/images/{i}.png" for i in number],
            "text": [f"{source} headline number {i} of a made-up world" for i in number],
            "lang": "en", "split": split,
            "date": (pd.Timestamp(f"{year}-01-05") + days).strftime("%Y-%m-%d"),
            "source": source, "group": [f"{source}/{i - (i % 10 == 9)}" for i in number],
            "article": number.astype(str), "iid": [f"{source}-{i:04X}" for i in number],
            "original": "", "snippet": "",
            "kind": rng.choice(["person", "scene"], each),
            "difficulty": rng.normal(1.6, 1.3, each),
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _pictures(pairs: pd.DataFrame, folder: Path, rng: np.random.Generator) -> None:
    """Two-coloured tiles of 32 pixels, one a pair."""
    for name, colors in zip(pairs["image"], rng.integers(40, 230, (len(pairs), 2, 3)), strict=True):
        tile = np.tile(colors[0], (32, 32, 1)).astype(np.uint8)
        tile[8:24, 8:24] = colors[1]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(tile).save(folder / name)


def _tunable(pairs: pd.DataFrame) -> list[str]:
    """Sources of 2022, which have a train split."""
    return [name for name in pairs["source"].unique() if name.startswith("2022")]


def _truth(pairs: pd.DataFrame, folder: Path, rng: np.random.Generator) -> None:
    """The card and the ties of a sample corpus."""
    known = {"mrr": 0.9}
    sets = {"ceilings": {"english": known, "no_names": known}}
    card = {
        "ties": {"exact": "named", "topic": "its section alone"},
        "sets": dict.fromkeys(pairs["source"].unique(), sets),
    }
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    truth = pairs[["source", "article"]].rename(columns={"source": "set"})
    truth = truth.assign(tie=rng.choice(list(card["ties"]), len(pairs)))
    truth.to_csv(folder / "truth.csv", index=False)


def _systems(pairs: pd.DataFrame, rng: np.random.Generator) -> list[Drawn]:
    """Rows of every system."""
    return [
        *_trivial(pairs, rng), *_tuned(pairs, rng), *_runs(pairs, rng)
    ]  # fmt: skip


def _trivial(pairs: pd.DataFrame, rng: np.random.Generator) -> Iterator[Drawn]:
    """Zero-shot and the two rankings that do not read the title."""
    for name in pairs["source"].unique():
        test = pairs[(pairs["source"] == name) & (pairs["split"] == "test")]
        n = len(test)
        yield _rows(test, rng, 0, system="zero_shot", alpha=0.0)
        for seed in SEEDS:
            yield test, rng.permutation(n) + 1.0, {"system": "random", "seed": seed}
        yield test, rng.permutation(n) + 1.0, {"system": "most_central"}
    for name in _tunable(pairs):
        held = pairs[(pairs["source"] == name) & (pairs["split"] == "validation")]
        yield _rows(held, rng, 0, system="zero_shot", alpha=0.0)


def _tuned(pairs: pd.DataFrame, rng: np.random.Generator) -> Iterator[Drawn]:
    """The fine-tuned systems of each source on every set, and on its own validation queries."""
    for tuned in _tunable(pairs):
        for name in pairs["source"].unique():
            mine = pairs["source"] == name
            splits = ("test", "validation") if name == tuned else ("test",)
            for split in splits:
                part = pairs[mine & (pairs["split"] == split)]
                for seed in SEEDS:
                    yield from _tuned_rows(part, rng, name == tuned, tuned, seed)


def _tuned_rows(
    part: pd.DataFrame, rng: np.random.Generator, own: bool, tuned: str, seed: int
) -> Iterator[Drawn]:
    """One run: better in the middle of the way on its own source, worse and worse elsewhere."""
    known = {"tuned": tuned, "seed": seed}
    noise = rng.normal(0, 0.25, len(part))
    for alpha in ALPHAS:
        gain = 1.3 * alpha - 0.7 * alpha**2 if own else 0.2 * alpha - 0.7 * alpha**2
        kind = {0.0: "zero_shot", 1.0: "fine_tuned"}.get(alpha, "wise_ft")
        setting = f"alpha={alpha:g}"
        if kind != "zero_shot":
            yield _rows(part, rng, gain, noise, system=kind, alpha=alpha, setting=setting, **known)
        setting = f"weight={alpha:g}"
        yield _rows(part, rng, gain * 0.9, noise, system="embedding_ensemble", setting=setting,
                    **known)  # fmt: skip
    best = 0.55 if own else -0.1
    for image in ALPHAS[::2]:
        for text in ALPHAS[::2]:
            yield _rows(part, rng, best - 0.1 * image, noise, system="per_tower",
                        setting=f"image={image:g} text={text:g}", **known)  # fmt: skip
    for beta in (0.5, 1.0):
        yield _rows(part, rng, best, noise, system="lines", setting=f"alpha=0 beta={beta:g}",
                    **known)  # fmt: skip
    if seed == SEEDS[0]:
        soup = {"system": "greedy_soup", "setting": SOUP, "tuned": tuned, "seed": -1}
        yield _rows(part, rng, best, noise, **soup)


def _runs(pairs: pd.DataFrame, rng: np.random.Generator) -> Iterator[Drawn]:
    """The models of 2023 on its four sets, under their own names and as the five runs."""
    for name in [*sorted(set(pairs["source"]) - set(_tunable(pairs))), "internal"]:
        internal = pairs["source"].isin(_tunable(pairs)) & pairs["split"].isin(
            ["train", "validation"]
        )
        part = pairs[internal if name == "internal" else pairs["source"] == name]
        part = part.assign(source=name)
        for encoder, seed, gain in (("tiny_clip", -1, 0.0), ("tiny_clip_h", -1, 0.2),
                                    *(("tiny_clip", seed, 0.1) for seed in SEEDS)):  # fmt: skip
            known = {"encoder": encoder, "seed": seed, "tuned": "2023-text" if seed >= 0 else ""}
            yield from _revised(part, rng, gain, known, name != "internal" and seed <= 0)


def _revised(
    part: pd.DataFrame, rng: np.random.Generator, gain: float, known: dict, sweep: bool
) -> Iterator[Drawn]:
    """One model: plain and with dual softmax, and if `sweep` every method, bank and aggregation."""
    noise, tuned = rng.normal(0, 0.1, len(part)), known["seed"] >= 0
    system = "fine_tuned" if tuned else "zero_shot"
    number = {"plain": 4 if tuned else 2, "dual_softmax": 5 if tuned else 3}
    if known["encoder"] != "tiny_clip":
        number = {"dual_softmax": 1}
    for how in AGGREGATIONS if sweep else ("mean",):
        yield _rows(part, rng, gain, noise, system=system, aggregation=how, **known)
    if "plain" in number:
        yield _rows(part, rng, gain, noise, system=f"run{number['plain']}", aggregation="mean",
                    **known)  # fmt: skip
    for method in [m for m in METHODS.values() if m.name != "plain"]:
        for temperature in TEMPERATURES if method.tempered else (NONE,):
            for bank, more in (("transductive", 0.25), ("inductive", 0.1)):
                here = {"method": method.name, "temperature": temperature, "bank": bank}
                here |= {"aggregation": "mean"} | known
                if sweep:
                    yield _rows(part, rng, gain + more, noise, system=system, **here)
                if method.name in number and bank == "transductive":
                    run = f"run{number[method.name]}"
                    yield _rows(part, rng, gain + more, noise, system=run, **here)


def _rows(
    part: pd.DataFrame, rng: np.random.Generator, gain: float,
    noise: np.ndarray | None = None, **known: object,
) -> Drawn:  # fmt: skip
    """Ranks of one configuration: difficulty less `gain`, `noise` of the run, a little of its own.

    A positive gain is a better rank.
    """
    moved = part["difficulty"].to_numpy() - gain + rng.normal(0, 0.1, len(part))
    rank = np.clip(np.floor(np.exp(moved + (0 if noise is None else noise))), 1, None)
    return part, rank, known


def _assemble(drawn: list[Drawn]) -> pd.DataFrame:
    """The table of queries: one row a query and configuration."""
    sizes = [len(rank) for _, rank, _ in drawn]
    known = pd.DataFrame([DEFAULTS | known for _, _, known in drawn])
    known = known.loc[np.repeat(np.arange(len(drawn)), sizes)].reset_index(drop=True)
    queries = pd.concat([part[QUERY] for part, _, _ in drawn], ignore_index=True)
    queries.columns = ["query", "set", "split", "group", "date", "kind"]
    rank = np.concatenate([rank for _, rank, _ in drawn])
    rank = np.where(rank > CUTOFF, np.nan, rank)
    hits = {f"r{k}": (rank <= k).astype(float) for k in KS}
    return queries.join(known).assign(rank=rank, rank_any=rank, rr=np.nan_to_num(1 / rank), **hits)


def _top(rows: pd.DataFrame, pairs: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """First ten pictures of each main system, the right one at its rank."""
    main = rows[rows["set"].isin(_tunable(pairs)) & (rows["split"] == "test") & (rows["seed"] <= 0)]
    main = main[main["system"].isin(["zero_shot", "fine_tuned", "wise_ft"])]
    main = main[main["tuned"].isin(["", *_tunable(pairs)]) & (main["method"] == "plain")]
    main = main[(main["tuned"] == main["set"]) | (main["tuned"] == "")]
    keys, found = ["set", "system", "tuned", "alpha", "seed"], []
    galleries = pairs[pairs["split"] == "test"].groupby("source")["id"].apply(np.asarray)
    for row in main[[*keys, "query", "rank"]].itertuples(index=False):
        gallery = galleries[row.set]
        images = rng.permutation(gallery[gallery != row.query])[:10]
        if row.rank <= len(images):
            images[int(row.rank) - 1] = row.query
        found += [(*row[:6], image, place) for place, image in enumerate(images, start=1)]
    table = pd.DataFrame(found, columns=[*keys, "query", "image", "rank"])
    return table.assign(score=0.4 - 0.01 * table["rank"], method="plain")


def _selections(pairs: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """What validation queries would have chosen."""
    choices = {"wise_ft": [f"alpha={a:g}" for a in (0.25, 0.5, 0.75)],
               "embedding_ensemble": [f"weight={a:g}" for a in (0.25, 0.5, 0.75)],
               "per_tower": ["image=0.5 text=0.5", "image=0.5 text=1", "image=0 text=0.5"],
               "lines": ["alpha=0 beta=0.5", "alpha=0 beta=1"]}  # fmt: skip
    found = []
    for tuned in _tunable(pairs):
        for criterion in ("recall@1", "mrr"):
            found.append((tuned, -1, criterion, "greedy_soup", SOUP, NONE))
            for seed in SEEDS:
                for system, settings in choices.items():
                    setting = settings[rng.integers(len(settings))]
                    alpha = float(setting.partition("=")[2]) if system == "wise_ft" else NONE
                    found.append((tuned, seed, criterion, system, setting, alpha))
    columns = ["tuned", "seed", "criterion", "system", "setting", "alpha"]
    return pd.DataFrame(found, columns=columns)


def _grid(rows: pd.DataFrame) -> pd.DataFrame:
    """Means of every setting on the source's own validation and test queries."""
    own = rows[(rows["tuned"] == rows["set"]) & (rows["seed"] >= 0)]
    own = own.assign(system=own["system"].replace("fine_tuned", "wise_ft"))
    keys = ["tuned", "seed", "system", "setting"]
    means = own.groupby([*keys, "split"])[["rr", "r1"]].mean().unstack("split")
    names = {"rr": "mrr", "r1": "recall@1"}
    means.columns = [f"{split}_{names[metric]}" for metric, split in means.columns]
    return means.reset_index()


def _hubness(rows: pd.DataFrame, pairs: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """How often each picture is among the first ten, with hubs before and fewer after."""
    keys = ["set", "system", "encoder", "method", "temperature", "bank"]
    mine = rows[(rows["aggregation"] == "mean") & (rows["seed"] <= 0) & (rows["set"] != "internal")]
    mine = mine[mine["system"].isin(["zero_shot", "fine_tuned"])]
    parts = []
    for key in mine[keys].drop_duplicates().to_dict("records"):
        gallery = pairs.loc[pairs["source"] == key["set"], "id"]
        weight = rng.gamma(TAIL[key["bank"]], size=len(gallery))
        k10 = rng.multinomial(10 * len(gallery), weight / weight.sum())
        parts.append(pd.DataFrame(key | {"image": gallery, "k10": k10}))
    return pd.concat(parts, ignore_index=True)

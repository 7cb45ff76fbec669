"""The retrieval study: ranks are the evaluator's, choices never see the truth of the test."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from lib import paths
from lib.embed import EmbedSettings, embed_pairs
from lib.encoders import load_encoder
from lib.retrieval import hubness, hubs, study, submission
from lib.retrieval.evaluation import chance, judge, run_frame, truth_frame
from lib.retrieval.finetune import FinetuneRetrieval, Recipe, Run
from lib.retrieval.finetune.run import tune
from lib.retrieval.finetune.towers import Towers
from lib.retrieval.study import runs, scores
from lib.retrieval.study.inputs import Inputs, WiseFtRetrieval, kinds, test_set
from lib.sample.tiny import tiny_clip
from lib.schema import write_pairs
from lib.training import TrainSettings

WORDS = ("bridge", "storm", "museum", "goal", "minister", "harvest", "train", "harbour")
SOURCES = {"2022-rt": (6, 4, 5), "2022-rss": (6, 4, 5), "2023-p1": (0, 0, 8)}
TRAIN = TrainSettings(epochs=2, lr=3e-3, patience=9)
FINETUNE = FinetuneRetrieval(
    seeds=(0, 1), block=8, workers=1,
    recipes={
        "both": Recipe(1, 1, batch=4, train=TRAIN),
        "text": Recipe(-1, 1, batch=8, paraphrase=True, train=TRAIN),
    },
    runs={
        "2022-rt": Run("both", "2022-rt"), "2022-rss": Run("both", "2022-rss"),
        "2023-text": Run("text"),
    },
)  # fmt: skip
SETTINGS = WiseFtRetrieval(
    tuned_encoder="one", encoders=("one", "two"), tuned=("2022-rt", "2022-rss"), tests=("2023-p1",),
    alphas=(0.0, 0.5, 1.0), tower_alphas=(0.0, 1.0), line_alphas=(0.0,), line_betas=(0.5,),
    ensemble_weights=(0.5,), temperatures=(1.0, 0.01), bank=8, top=5,
)  # fmt: skip


def rewrite(texts):
    """Half of the titles in other words."""
    return [f"news of {text}" if len(text) % 2 else None for text in texts]


def corpus(folder: Path) -> pd.DataFrame:
    """Pairs of three sources, their pictures of 40 pixels in `folder`."""
    rng, rows = np.random.default_rng(0), []
    for source, sizes in SOURCES.items():
        for split, size in zip(("train", "validation", "test"), sizes, strict=True):
            for n in range(size):
                name = f"{source}-{split}{n}"
                pixels = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
                Image.fromarray(pixels).resize((40, 40)).save(folder / f"{name}.png")
                text = f"{WORDS[rng.integers(8)]} {n} {WORDS[rng.integers(8)]} {split}"
                row = {"id": f"{source}/{split}{n}", "image": f"{name}.png", "text": text}
                row |= {"lang": "en", "split": split, "date": f"2023-01-{n + 1:02d}"}
                row |= {"source": source, "group": name, "article": f"{len(rows)}"}
                rows.append(row | {"iid": f"I{len(rows)}", "snippet": "persons;a b|orgs;c"})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Folder, pairs table, embeddings by two tiny models, and three trained runs."""
    folder = tmp_path_factory.mktemp("study")
    patch = pytest.MonkeyPatch()
    models = {"one": tiny_clip(), "two": tiny_clip(folder / "two", seed=5)}

    def own(*parts):
        made = folder.joinpath("scratch", *parts)
        made.mkdir(parents=True, exist_ok=True)
        return made

    patch.setattr(paths, "scratch", own)
    (folder / "images").mkdir()
    table = corpus(folder / "images")
    encoder = load_encoder(f"local-dir:{models['one']}")
    for name in FINETUNE.runs:
        towers = Towers(encoder, FINETUNE.recipe_of(name), block=8)
        tune(table, folder / "images", towers, FINETUNE, name, folder / "runs" / name, rewrite)
        towers.load(towers.zero)
    yield folder, table, models
    patch.undo()


def inputs(world, table, settings=SETTINGS):
    """Inputs of the study on some pairs."""
    folder, _, models = world
    number = len(list(folder.glob("pairs*.parquet")))
    pairs = folder / f"pairs{number}.parquet"
    write_pairs(table, pairs)
    load = {k: (lambda m=m: load_encoder(f"local-dir:{m}")) for k, m in models.items()}
    made = {
        k: embed_pairs(pairs, folder / "images", load[k](), folder / f"emb{number}{k}",
                       EmbedSettings(workers=1))
        for k in load
    }  # fmt: skip
    root = folder / "images"
    return Inputs(table, root, settings, FINETUNE, load, made, folder / "runs", rewrite)


@pytest.fixture(scope="module")
def made(world):
    """The whole study."""
    return study.run(inputs(world, world[1]))


def test_every_system_of_both_papers_has_its_rows(made):
    rows = made.queries
    systems = {
        "random",
        "most_central",
        "zero_shot",
        "fine_tuned",
        "wise_ft",
        "per_tower",
        "lines",
        "embedding_ensemble",
        "greedy_soup",
        *(f"run{n}" for n in range(1, 6)),
    }
    assert set(rows["system"]) == systems
    keys = [*scores.CONFIG, "query"]
    assert (
        not rows.astype({k: object for k in keys if rows[k].dtype == "category"})
        .duplicated(keys)
        .any()
    )
    own = rows[(rows["system"] == "fine_tuned") & (rows["tuned"] == "2022-rt")]
    assert set(own["seed"]) == {0, 1}
    assert set(own["set"]) == {"2022-rt", "2022-rss", "2023-p1"}
    assert (rows.loc[rows["set"] == "2022-rt", "kind"] == "person").all()
    swept = rows[(rows["set"] == "2023-p1") & (rows["aggregation"] == "mean")]
    assert set(swept["method"]) == set(hubs.METHODS)
    assert {"", "transductive", "inductive"} == set(swept["bank"])
    assert set(rows.loc[rows["set"] == "2023-p1", "aggregation"]) == {
        "title", "mean", "max", "embedding_mean"
    }  # fmt: skip
    internal = rows[(rows["set"] == "internal") & (rows["system"] == "run4")]
    assert len(internal) == 2 * 20


def test_choices_do_not_see_the_truth_of_the_test(world, made):
    table = world[1].copy()
    rng = np.random.default_rng(3)
    for source in SOURCES:
        rows = table.index[(table["source"] == source) & (table["split"] == "test")]
        table.loc[rows, ["image", "iid"]] = table.loc[
            rng.permutation(rows), ["image", "iid"]
        ].to_numpy()
    other = study.run(inputs(world, table))
    seen = ["tuned", "seed", "criterion", "system", "setting", "alpha", "validation", "candidates"]
    pd.testing.assert_frame_equal(other.selections[seen], made.selections[seen])
    assert not other.selections["test_mrr"].equals(made.selections["test_mrr"])


def test_the_same_inputs_give_the_same_files(world, made, tmp_path):
    study.write(made, tmp_path / "a")
    study.write(study.run(inputs(world, world[1])), tmp_path / "b")
    files = sorted(f.relative_to(tmp_path / "a") for f in (tmp_path / "a").rglob("*.*"))
    assert len(files) >= 5 + 5
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    read = pd.read_parquet(tmp_path / "a" / "queries.parquet")
    assert not any(isinstance(kind, pd.CategoricalDtype) for kind in read.dtypes)
    p1 = world[1][world[1]["source"] == "2023-p1"]
    for number in range(1, 6):
        file = tmp_path / "a" / "submissions" / f"2023-p1_run{number}.tsv"
        assert not submission.validate_submission(file, list(p1["article"]), list(p1["iid"]), 5)


def test_regret_is_the_best_on_test_less_the_choice(made):
    for row in made.selections.to_dict("records"):
        assert row["regret"] >= -1e-12
        if row["system"] == "greedy_soup":
            continue
        grid = made.grid[(made.grid["tuned"] == row["tuned"]) & (made.grid["seed"] == row["seed"])]
        grid = grid[grid["system"] == row["system"]].set_index("setting")
        name = row["criterion"]
        assert row["validation"] == grid[f"validation_{name}"].max()
        assert row["regret"] == pytest.approx(
            grid[f"test_{name}"].max() - grid.at[row["setting"], f"test_{name}"]
        )
        shown = made.queries[
            (made.queries["setting"] == row["setting"]) & (made.queries["tuned"] == row["tuned"])
            & (made.queries["seed"] == row["seed"]) & (made.queries["set"] == row["tuned"])
            & (made.queries["split"] == "test")
        ]  # fmt: skip
        if row["alpha"] != 0:
            assert shown["rr"].mean() == pytest.approx(row["test_mrr"], abs=1e-6)


def small(queries=12, images=15, seed=0):
    """A set of random unit features: titles, paraphrases, pictures, and the truth."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=(n, 6)) for n in (queries, queries, images)]
    first, second, image = (runs.unit(part) for part in parts)
    image[7] = image[3]  # the same picture twice
    right = rng.permutation(images)[:queries]
    right[0] = 3
    return (first, second), image, right


def where(right, images=15, shared=None):
    """A TestSet of bare positions."""
    rows = np.arange(max(images, len(right)))
    return study.TestSet("s", "test", rows, rows[: len(right)], rows[:images], right, shared or {})


def test_ranks_are_those_of_the_evaluator():
    (text, _), image, right = small()
    found = scores.plain(text, image, where(right)).columns()
    queries, images = [f"q{n}" for n in range(12)], [f"i{n}" for n in range(15)]
    listed = run_frame(hubness.rank_images(text, image, "plain"), queries, images)
    theirs = judge(listed, truth_frame(queries, [images[n] for n in right]))
    np.testing.assert_allclose(found["rank"], theirs["rank"])
    np.testing.assert_allclose(found["rr"], theirs["MRR@100"])
    assert found["rank"][0] % 1 == 0.5  # tied with its copy
    for k in (1, 5, 10):
        np.testing.assert_allclose(found[f"r{k}"], theirs[f"R@{k}"])


def test_beyond_the_cut_off_nothing_counts():
    found = scores.Standing(np.array([98, 99, 100]), np.array([4, 1, 1]), np.zeros(3)).columns()
    np.testing.assert_allclose(found["rr"], [(1 / 99 + 1 / 100) / 4, 1 / 100, 0])
    np.testing.assert_allclose(found["r100"], [0.5, 1, 0])
    assert np.isnan(found["rank"]).tolist() == [False, False, True]


def test_a_shared_title_counts_either_picture():
    (text, _), image, right = small()
    own = scores.plain(text, image, where(right)).columns()
    both = where(right, shared={4: np.array([right[4], int((text[4] @ image.T).argmax())])})
    found = scores.plain(text, image, both).columns()
    assert found["rank_any"][4] == 1 < own["rank"][4] == found["rank"][4]
    np.testing.assert_array_equal(np.delete(found["rank_any"], 4), np.delete(own["rank"], 4))


@pytest.mark.parametrize("method", hubs.METHODS)
@pytest.mark.parametrize("inductive", [False, True])
def test_methods_are_those_of_the_search(method, inductive):
    (text, bank), image, _ = small(seed=2)
    bank = bank if inductive else None
    theirs = hubness.rank_images(text, image, method, 0.05, 5, bank)
    cosines = torch.from_numpy(text @ image.T)
    seen = None if bank is None else torch.from_numpy(bank @ image.T)
    ours = scores.best(scores.adjusted(cosines, method, 0.05, seen), 5)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)


def test_pooling_of_title_and_paraphrase():
    views, image, right = small(seed=4)
    cosines = [torch.from_numpy(view @ image.T) for view in views]
    made = {k: scores.similarity(views, image, k) for k in ("title", "mean", "max")}
    torch.testing.assert_close(made["title"], cosines[0])
    torch.testing.assert_close(made["mean"], (cosines[0] + cosines[1]) / 2)
    torch.testing.assert_close(made["max"], torch.maximum(*cosines))
    joint = scores.similarity(views, image, "embedding_mean")
    assert torch.equal(joint.argsort(1), made["mean"].argsort(1))  # equal until a temperature


def test_a_random_order_has_its_exact_expectation(made):
    rows = made.queries[(made.queries["system"] == "random") & (made.queries["set"] == "2023-p1")]
    expected = chance(8)
    assert rows["rr"].mean() == pytest.approx(expected["MRR@100"])
    assert rows["r5"].mean() == pytest.approx(expected["R@5"])
    central = made.queries[made.queries["system"] == "most_central"]
    central = central[central["set"] == "2023-p1"]
    assert sorted(central["rank"]) == list(range(1, 9))  # one list: each picture right once
    assert central["rr"].mean() == pytest.approx(expected["MRR@100"])


def test_a_blind_set_has_queries_and_pictures_but_no_truth(world):
    table = world[1].copy()
    blind = table.index[table["source"] == "2023-p1"]
    pictures = table.loc[blind].assign(text="", id=lambda t: t["id"] + "/image")
    table.loc[blind, "image"] = ""
    table = pd.concat([table, pictures], ignore_index=True)
    readable = (table["image"] != "").to_numpy()
    found = test_set(table, readable, "2023-p1", ["2023-p1"], "test")
    assert len(found.queries) == len(found.gallery) == 8
    assert not len(found.known)
    with pytest.raises(ValueError, match=r"set x: no test row of \['x'\] has a readable picture"):
        test_set(table, readable, "x", ["x"], "test")


def test_kinds_come_from_tags_or_from_a_card(world):
    table = (
        world[1].head(3).assign(snippet=["persons;a|orgs;b", "persons;|orgs;b", "a running text"])
    )
    assert kinds(table).tolist() == ["person", "scene", ""]
    known = {table["id"].iloc[2]: "scene"}
    assert kinds(table, known).tolist() == ["", "", "scene"]


def test_settings_out_of_range_are_named():
    for options, why in (
        ({"alphas": (0.0, 0.5)}, "alphas: need both ends"),
        ({"tower_alphas": (2.0,)}, r"tower_alphas: must be in 0\.\.1"),
        ({"methods": ("cosine",)}, "methods: 'cosine' is none of plain"),
        ({"temperature": 0.3}, "temperature: 0.3 is not among temperatures"),
    ):
        with pytest.raises(ValueError, match=why):
            WiseFtRetrieval(**options).validate()


def test_a_tuned_run_bears_the_name_of_its_source():
    table = pd.DataFrame({"snippet": [], "text": []})
    for tuned, why in (
        (("2023-text",), "tuned: run '2023-text' must bear its source's name, ''"),
        (("2022-tw",), "runs: '2022-tw' is none of 2022-rt, 2022-rss, 2023-text"),
    ):
        settings = replace(SETTINGS, tuned=tuned)
        with pytest.raises(ValueError, match=why):
            Inputs(table, Path(), settings, FINETUNE, {}, {}, Path(), rewrite)

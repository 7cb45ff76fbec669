"""Fine-tuning from cached activations: same model, same bytes after a kill, nothing else moves."""

import functools
import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from lib import paths
from lib.encoders import load_encoder
from lib.retrieval.finetune import FinetuneRetrieval, Recipe, Run, activations, run
from lib.retrieval.finetune.__main__ import main
from lib.retrieval.finetune.batches import PairBatches, learnable
from lib.retrieval.finetune.features import FeatureCache, Interpolator, zero_shot
from lib.retrieval.finetune.towers import Towers, TunedError, read_tuned
from lib.sample.tiny import tiny_clip
from lib.schema import write_pairs
from lib.training import TrainSettings, backward

WORDS = ("bridge", "storm", "museum", "goal", "minister", "harvest", "train", "harbour")


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Keep caches in a folder of the test's own."""
    folder = tmp_path / "scratch"

    def own(*parts):
        made = folder.joinpath(*parts)
        made.mkdir(parents=True, exist_ok=True)
        return made

    model = tiny_clip()
    monkeypatch.setattr(paths, "scratch", own)
    return model


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Twenty pictures; the last file is no picture."""
    folder = tmp_path_factory.mktemp("news")
    rng = np.random.default_rng(0)
    for number in range(20):
        pixels = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((40, 36)).save(folder / f"{number}.png")
    (folder / "19.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def table():
    """Sixteen train pairs and four for validation, of one source; two of one story."""
    rows = range(20)
    return pd.DataFrame(
        {
            "id": [f"2022-rt/{n}" for n in rows],
            "image": [f"{n}.png" for n in rows],
            "text": [f"{WORDS[n % 8]} number {n} in the {WORDS[n // 8]}" for n in rows],
            "lang": "en",
            "split": ["train"] * 15 + ["validation"] * 5,
            "date": "",
            "source": "2022-rt",
            "group": [f"g{max(n, 1)}" for n in rows],
        }
    )


def settings(recipe, seeds=(0,), keep=1):
    """Settings with one run `r` of one recipe."""
    return FinetuneRetrieval(
        seeds=seeds, keep_epochs=keep, block=4, workers=1,
        recipes={"it": recipe}, runs={"r": Run("it", "2022-rt")},
    )  # fmt: skip


def recipe(image=1, text=1, epochs=2, **options):
    """A short recipe of a plain Adam."""
    train = TrainSettings(epochs=epochs, lr=3e-3, patience=9, optimizer="adam", micro_batch=3)
    return Recipe(image, text, batch=5, train=train, **options)


def encoder():
    """The tiny model, loaded anew."""
    return load_encoder(f"local-dir:{tiny_clip_folder}")


tiny_clip_folder = None


@pytest.fixture(autouse=True)
def _folder(scratch):
    global tiny_clip_folder
    tiny_clip_folder = scratch


def towers(wanted, checkpointing=False):
    """The tiny model cut by a recipe."""
    return Towers(encoder(), wanted, checkpointing, block=4)


@pytest.mark.parametrize("cut", [(0, 0), (2, 3), (-1, 1), (1, -1)])
def test_activations_are_the_towers_own(root, table, cut):
    made = towers(Recipe(*cut))
    pictures, titles = made.pictures(root, table["image"]), made.titles(list(table["text"]))
    assert pictures.hidden.dtype == np.float16
    rows = np.arange(20)
    image, text = made.image_features(pictures, rows), made.text_features(titles, rows)
    whole = encoder()
    pixels = torch.stack([whole.preprocess(Image.open(root / f"{n}.png")) for n in range(19)])
    with torch.inference_mode():
        theirs = whole.model.encode_image(pixels, normalize=True).numpy()
        words = whole.model.encode_text(whole.tokenizer(list(table["text"])), normalize=True)
    np.testing.assert_allclose(image[:19], theirs, atol=3e-3)
    np.testing.assert_allclose(text, words.numpy(), atol=3e-3)
    assert np.isnan(image[19]).all()
    assert pictures.valid.tolist() == [True] * 19 + [False]


def test_finished_blocks_are_not_computed_again(root, table, monkeypatch):
    made, compute, seen = towers(Recipe(1, 1)), activations._run, []

    def counting(bottom, batch, device, stop):
        seen.append(len(batch))
        if len(seen) == stop:
            raise KeyboardInterrupt
        return compute(bottom, batch, device)

    monkeypatch.setattr(activations, "_run", functools.partial(counting, stop=4))
    with pytest.raises(KeyboardInterrupt):  # the shape's row, two blocks, half of the third
        made.pictures(root, table["image"])
    monkeypatch.setattr(activations, "_run", functools.partial(counting, stop=0))
    seen.clear()
    resumed = made.pictures(root, table["image"])
    assert seen == [4, 4, 4]
    again = made.pictures(root, table["image"])
    assert seen == [4, 4, 4]
    assert np.array_equal(again.hidden, resumed.hidden, equal_nan=True)
    other = made.pictures(root, table["image"][::-1])
    np.testing.assert_array_equal(other.hidden[::-1], again.hidden)


def test_a_killed_run_ends_with_the_same_bytes(root, table, tmp_path, monkeypatch):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    wanted = settings(recipe(0, 1, epochs=3), seeds=(0, 1))
    run.tune(table, root, towers(recipe(0, 1, epochs=3)), wanted, "r", whole)
    score, calls = run.validation_mrr, []

    def dying(*args):
        calls.append(1)
        if len(calls) == 7:  # the second seed, its second epoch
            raise KeyboardInterrupt
        return score(*args)

    monkeypatch.setattr(run, "validation_mrr", dying)
    with pytest.raises(KeyboardInterrupt):
        run.tune(table, root, towers(recipe(0, 1, epochs=3)), wanted, "r", killed)
    assert not killed.exists()
    run.tune(table, root, towers(recipe(0, 1, epochs=3)), wanted, "r", killed)
    assert len(calls) == 7 + 3  # zero-shot, then epochs 2 and 3 of the second seed
    files = sorted(file.relative_to(whole) for file in whole.rglob("*") if file.is_file())
    assert [str(f) for f in files if "seed0" in str(f)][-1] == "seed0/theta1.safetensors"
    for file in files:
        assert (whole / file).read_bytes() == (killed / file).read_bytes(), file


def test_one_run_leaves_weights_soups_and_history(root, table, tmp_path):
    made = towers(recipe(0, 0))
    zero = {name: value.clone() for name, value in made.zero.items()}
    out = tmp_path / "out"
    run.tune(table, root, made, settings(recipe(0, 0, epochs=2), seeds=(0, 1)), "r", out)
    assert set(zero) == {name for name, _ in made.encoder.model.named_parameters()}
    history = json.loads((out / "seed0" / "history.json").read_text())
    assert history["pairs"] == {"train": 15, "validation": 4}  # one picture is none
    assert len(history["history"]) == 2
    assert len(list((out / "seed0").glob("epoch*.safetensors"))) == 1
    tuned = [load_file(out / f"seed{seed}" / "theta1.safetensors") for seed in (0, 1)]
    assert any(not torch.equal(tuned[0][name], tuned[1][name]) for name in zero)
    assert any(not torch.equal(tuned[0][name], zero[name]) for name in zero)
    best = max(row["validation"] for row in history["history"])
    made.load(read_tuned(out / "seed0" / "theta1.safetensors", made))
    pictures = made.pictures(root, table["image"][15:])
    texts, pairs = learnable(table[15:], pictures.valid)
    assert run.validation_mrr(made, pairs, (pictures, made.titles(texts))) == pytest.approx(best)


def test_a_locked_image_tower_does_not_move(root, table, tmp_path):
    wanted = recipe(-1, 2, paraphrase=True)
    made = towers(wanted)
    assert not any(name.startswith("visual") for name in made.zero)
    rewrite = lambda texts: [None if "goal" in t else f"so: {t}" for t in texts]  # noqa: E731
    with pytest.raises(ValueError, match="run r: its recipe asks for paraphrases"):
        run.tune(table, root, made, settings(wanted), "r", tmp_path / "out")
    (history,) = run.tune(table, root, made, settings(wanted), "r", tmp_path / "out", rewrite)
    assert history["pairs"]["train"] == 15 + 13
    assert "logit_scale" in made.zero


def test_checkpointed_gradients_are_the_same(root, table, monkeypatch):
    import open_clip.transformer as transformer

    calls, checkpoint = [], transformer.checkpoint

    def counting(*args, **options):
        calls.append(1)
        return checkpoint(*args, **options)

    monkeypatch.setattr(transformer, "checkpoint", counting)
    found = []
    for checkpointing in (False, True):
        made = towers(Recipe(0, 0), checkpointing)
        batch = (made.pictures(root, table["image"][:6]), made.titles(list(table["text"][:6])))
        rows = np.arange(6)
        loss = backward(made.split, (batch[0].take(rows), batch[1].take(rows), None))
        grads = {name: p.grad for name, p in made.split.named_parameters()}
        found.append((loss, grads))
        assert bool(calls) == checkpointing
    assert found[0][0] == pytest.approx(found[1][0])
    for name, value in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], value, msg=name)


def test_every_pair_is_seen_once_an_epoch_and_stories_are_no_negatives(root, table):
    made = towers(Recipe(1, 1))
    pictures = made.pictures(root, table["image"])
    texts, pairs = learnable(table, pictures.valid)
    batches = PairBatches(pairs, (pictures, made.titles(texts)), 6, 0)
    assert batches.steps == 3
    seen = [group for _, _, group in batches.epoch(0)]
    assert sorted(torch.cat(seen).tolist()) == sorted(pairs.group.tolist())
    assert pairs.group[0] == pairs.group[1] != pairs.group[2]
    again, other = ([g.tolist() for _, _, g in batches.epoch(n)] for n in (0, 1))
    assert again == [g.tolist() for g in seen] != other


@pytest.fixture
def tuned(root, table, tmp_path):
    """A finished run and the towers it belongs to."""
    made = towers(recipe(1, 1))
    run.tune(table, root, made, settings(recipe(1, 1)), "r", tmp_path / "out")
    return made, tmp_path / "out" / "seed0" / "theta1.safetensors"


def test_the_ends_are_zero_shot_and_fine_tuned_exactly(root, table, tuned):
    made, file = tuned
    pictures, titles = made.pictures(root, table["image"]), made.titles(list(table["text"]))
    rows, between, cache = np.arange(20), Interpolator(made, file), FeatureCache(made)
    for alpha, state in ((0.0, made.zero), (1.0, load_file(file))):
        image, text = (cache.images(between.at(alpha), pictures),
                       cache.texts(between.at(alpha), titles))  # fmt: skip
        fresh = towers(recipe(1, 1))
        fresh.load(state)
        assert np.array_equal(image, fresh.image_features(pictures, rows), equal_nan=True)
        assert np.array_equal(text, fresh.text_features(titles, rows))
    half = cache.texts(between.at(0.5), titles)
    assert not np.allclose(half, cache.texts(between.at(1.0), titles), atol=1e-4)
    assert between.at(0.0).key == zero_shot(made).key


def test_a_new_alpha_computes_that_alpha_only(root, table, tuned):
    made, file = tuned
    pictures, titles = made.pictures(root, table["image"]), made.titles(list(table["text"]))

    def study(alphas):
        cache, between = FeatureCache(towers(recipe(1, 1))), Interpolator(made, file)
        for alpha in alphas:
            cache.images(between.at(alpha), pictures)
            cache.texts(between.at(alpha), titles)
        return len(cache.computed)

    assert study([0.0, 0.5, 1.0]) == 6
    assert study([0.0, 0.25, 0.5, 1.0]) == 2
    assert study([0.0, 0.25, 0.5, 1.0]) == 0


def test_weights_of_another_encoder_are_refused(tuned, tmp_path):
    _, file = tuned
    other = load_encoder(f"local-dir:{tiny_clip(tmp_path / 'other', seed=7)}")
    with pytest.raises(TunedError, match="tuned from another encoder"):
        read_tuned(file, Towers(other, recipe(1, 1)))
    with pytest.raises(TunedError, match="holds other tensors"):
        read_tuned(file, towers(recipe(0, 1)))
    with pytest.raises(TunedError, match="no such file"):
        read_tuned(tmp_path / "none.safetensors", towers(recipe(1, 1)))


def test_command_line(root, table, tmp_path, capsys):
    write_pairs(table, tmp_path / "pairs.parquet")
    config = tmp_path / "params.yaml"
    config.write_text(
        "machine: {}\n"
        "finetune_retrieval:\n"
        "  seeds: [0]\n"
        "  recipes: {it: {image_boundary: 3, text_boundary: 3, batch: 8, train: {epochs: 1}}}\n"
        "  runs: {r: {recipe: it, source: 2022-rt}, again: {recipe: it, source: 2022-rt},\n"
        "    lost: {recipe: it, source: 2021-rt}}\n"
    )
    fixed = ["--config", str(config), "--pairs", str(tmp_path / "pairs.parquet"), "--root",
             str(root), "--encoder", f"local-dir:{tiny_clip_folder}"]  # fmt: skip
    main([*fixed, "--run", "r", "--out", str(tmp_path / "out")])
    assert "r seed 0: validation MRR" in capsys.readouterr().out
    assert (tmp_path / "out" / "r" / "seed0" / "theta1.safetensors").is_file()
    main([*fixed, "--run", "again", "r", "--out", str(tmp_path / "two")])
    alone, after = (tmp_path / out / "r/seed0/theta1.safetensors" for out in ("out", "two"))
    assert alone.read_bytes() == after.read_bytes()  # the run before it left nothing behind
    for name, why in (
        ("x", "runs: 'x' is none of r, again, lost"),
        ("lost", "no train row of source"),
    ):
        with pytest.raises(SystemExit, match=why):
            main([*fixed, "--run", name, "--out", str(tmp_path / "no")])
    assert not (tmp_path / "no").exists()


def test_settings_out_of_range_are_named():
    for made, why in (
        (Recipe(-1, -1), "text_boundary: both towers are locked"),
        (Recipe(batch=1), "batch: must be at least 2"),
        (FinetuneRetrieval(seeds=(1, 1)), "seeds: need different ones"),
        (FinetuneRetrieval(runs={"r": Run("x")}), r"runs\.r\.recipe: 'x' is none of none"),
    ):
        with pytest.raises(ValueError, match=why):
            made.validate()

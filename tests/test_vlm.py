"""The vision-language model; tests (a) to (j) are the defects of the published scripts."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from transformers import MllamaConfig, MllamaForConditionalGeneration

from lib.fnd.study.runs import TABLES
from lib.schema import COLUMNS
from lib.vlm import (
    UNTRAINED,
    Lora,
    Model,
    Recipe,
    Tuning,
    VlmError,
    VlmQlora,
    chat,
    models,
    study,
    training,
)
from lib.vlm.chat import ANSWERS, IGNORE, Article, encode, messages, prompt_of
from lib.vlm.estimate import NF4, estimate
from lib.vlm.scoring import answer_log_probs, answer_loss, score
from lib.vlm.study import findings
from lib.vlm.training import balanced, tune

KINDS = ("mllama", "idefics3")
SETTINGS = VlmQlora(
    models=(Model("tiny", "tiny:mllama"),), words=12, image_size=32, shots=2, batch=4,
)  # fmt: skip
LORA = Lora(rank=4, alpha=8, dropout=0.0, targets=("q_proj", "v_proj", "down_proj"))
TUNING = Tuning(rows=0, validation_rows=8, epochs=2, batch=4, accumulate=2, lr=5e-3,
                round_steps=3, gradient_checkpointing=False)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def articles(tmp_path_factory):
    """Articles whose text gives the label away; pictures of noise, of several shapes."""
    root = tmp_path_factory.mktemp("articles")
    rng = np.random.default_rng(0)
    made = []
    for row in range(24):
        file = root / f"{row}.png"
        pixels = rng.integers(0, 255, (30 + row, 50, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(file)
        words = " ".join(rng.choice(["town", "council", "bridge", "robot", "vote"], 2 + row % 5))
        made.append(
            Article(f"{'shocking' if row % 3 else 'quiet'} {words}", file, int(row % 3 > 0))
        )
    return made


@pytest.fixture(scope="module", params=KINDS)
def vlm(request):
    return models.load(Model("tiny", f"tiny:{request.param}"), SETTINGS)


def of(kind):
    return models.load(Model("tiny", f"tiny:{kind}"), SETTINGS)


def right(articles):
    return [ANSWERS[one.label] for one in articles]


def test_a_the_loss_is_on_the_answer_alone(vlm, articles):
    some = articles[:5]
    batch = encode(vlm.processor, some, right(some), SETTINGS)
    tokenizer = vlm.processor.tokenizer
    for row, one in enumerate(some):
        labelled = batch.labels[row][batch.labels[row] != IGNORE].tolist()
        assert tokenizer.decode(labelled[:-1]).strip() == ANSWERS[one.label].lower()
        assert labelled[-1] == tokenizer.eos_token_id  # and when to stop
    assert int((batch.labels != IGNORE).sum()) == 10
    changed = batch.inputs["input_ids"].clone()
    place = int((batch.labels[0] != IGNORE).int().argmax())
    changed[0, place + 1] = 200  # the end of the turn: a label only, no later token
    assert answer_loss(vlm, chat.Batch(batch.inputs | {"input_ids": changed}, batch.labels),
                       SETTINGS) == answer_loss(vlm, batch, SETTINGS)  # fmt: skip


def test_a_the_loss_is_the_models_own_on_those_labels(vlm, articles):
    some = articles[:5]
    batch = encode(vlm.processor, some, right(some), SETTINGS)
    own = vlm.model(**batch.inputs, labels=batch.labels).loss
    torch.testing.assert_close(answer_loss(vlm, batch, SETTINGS), own, rtol=1e-4, atol=1e-5)


def test_b_the_target_is_one_of_the_words_the_prompt_asks_for():
    for kind in ("short", "checklist"):
        prompt = prompt_of("a town", replace(SETTINGS, prompt=kind))
        assert prompt.endswith(f"one word: {ANSWERS[1]} or {ANSWERS[0]}.")
    assert (ANSWERS[0], ANSWERS[1]) == ("Unlikely", "Likely")


def test_c_training_and_evaluation_share_prompt_and_order_with_the_picture_first(vlm, articles):
    one = articles[0]
    asked = messages(one, SETTINGS)
    assert [part["type"] for part in asked[0]["content"]] == ["image", "text"]
    made = encode(vlm.processor, [one, one], list(ANSWERS), SETTINGS)
    ids, first = made.inputs["input_ids"], int((made.labels != IGNORE).int().argmax(1).min())
    assert torch.equal(ids[0, :first], ids[1, :first])
    assert "short" not in json.dumps(asked)
    shown = messages(one, SETTINGS, shots=articles[1:3])
    assert [m["role"] for m in shown] == ["user", "assistant"] * 2 + ["user"]
    assert shown[-1] == asked[0]
    begin = vlm.processor.tokenizer.bos_token_id
    assert int((ids[0] == begin).sum()) == 1  # the template's; the tokenizer must not add another


def test_d_a_model_that_says_unlikely_scores_low_though_its_prompt_says_likely(articles):
    vlm = of("mllama")
    say = vlm.processor.tokenizer(ANSWERS[0], add_special_tokens=False)["input_ids"][0]
    before = vlm.model.lm_head.forward
    vlm.model.lm_head.forward = lambda x: before(x).index_fill(-1, torch.tensor([say]), 30.0)
    assert ANSWERS[1] in prompt_of(articles[0].text, SETTINGS)
    assert score(vlm, articles[:4], SETTINGS).max() < 1e-6


def test_e_every_article_has_a_score(vlm, articles):
    found = score(vlm, articles, SETTINGS)
    assert found.shape == (len(articles),)
    assert np.isfinite(found).all()


def test_f_nothing_is_sampled(vlm, articles, monkeypatch):
    monkeypatch.setattr(type(vlm.model), "generate", None)
    torch.manual_seed(1)
    first = score(vlm, articles[:6], SETTINGS)
    torch.manual_seed(2)
    assert np.array_equal(first, score(vlm, articles[:6], SETTINGS))


@pytest.mark.parametrize("kind", KINDS)
def test_g_adapters_save_load_and_merge_to_the_same_logits(kind, articles, tmp_path):
    vlm = models.adapted(of(kind), LORA, 0)
    batch = encode(vlm.processor, articles[:4], right(articles[:4]), SETTINGS)

    def logits(one):
        with torch.inference_mode():
            return one.model(**batch.inputs).logits

    torch.testing.assert_close(logits(vlm), logits(of(kind)))  # fresh ones change nothing
    with torch.no_grad():
        for name, value in vlm.model.named_parameters():
            if "lora_B" in name:
                value.normal_(0, 0.3)
    wanted = logits(vlm)
    assert not torch.allclose(wanted, logits(of(kind)), atol=1e-3)
    models.save_adapter(vlm, tmp_path / "adapter")
    again = models.load_adapter(of(kind), tmp_path / "adapter")
    assert torch.equal(logits(again), wanted)
    torch.testing.assert_close(logits(models.merged(again)), wanted, rtol=1e-4, atol=1e-3)
    models.save_adapter(vlm, tmp_path / "copy")
    for file in (tmp_path / "adapter").iterdir():
        assert file.read_bytes() == (tmp_path / "copy" / file.name).read_bytes()
    other = next(k for k in KINDS if k != kind)
    with pytest.raises(VlmError, match=f"adapters of tiny:{kind}, not of tiny:{other}"):
        models.load_adapter(of(other), tmp_path / "adapter")


def test_g_nothing_is_merged_into_four_bits():
    with pytest.raises(VlmError, match="cannot be merged into 4-bit weights"):
        models.merged(replace(models.adapted(of("mllama"), LORA, 0), quantised=True))


def test_h_a_batch_scores_as_its_articles_do_one_by_one(vlm, articles):
    together = score(vlm, articles[:7], SETTINGS)
    alone = [score(vlm, [one], replace(SETTINGS, batch=1))[0] for one in articles[:7]]
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    with pytest.raises(VlmError, match="^processor: none was given"):
        encode(None, articles[:1], ["Likely"], SETTINGS)


def test_i_training_rows_are_balanced_on_the_label_that_is_scored(articles):
    assert np.mean([one.label for one in articles]) == pytest.approx(2 / 3)
    for rows, expected in ((0, 16), (6, 6), (1000, 16)):
        chosen = balanced(articles, rows, seed=1)
        assert len(chosen) == len(set(chosen)) == expected
        assert sum(one.label for one in chosen) * 2 == expected
    assert balanced(articles, 6, 1) == balanced(articles, 6, 1) != balanced(articles, 6, 2)
    with pytest.raises(VlmError, match="^training articles: none is Unlikely"):
        balanced([one for one in articles if one.label], 4, 0)


def test_j_scores_are_probabilities_of_one_answer_against_the_other(vlm, articles):
    found = score(vlm, articles[:5], SETTINGS)
    assert len(set(found.tolist())) == 5
    for one, value in zip(articles[:5], found, strict=True):
        batch = encode(vlm.processor, [one, one], list(ANSWERS), SETTINGS)
        with torch.inference_mode():
            logits = vlm.model(**batch.inputs).logits.log_softmax(-1)
        sums = []
        for row in range(2):
            places = (batch.labels[row] != IGNORE).nonzero().flatten().tolist()
            sums.append(sum(logits[row, p - 1, batch.labels[row, p]].item() for p in places))
        expected = np.exp(sums[1]) / np.exp(sums).sum()
        assert value == pytest.approx(expected, rel=1e-4)
    flipped = [one._replace(label=1 - one.label) for one in articles[:5]]
    assert np.array_equal(found, score(vlm, flipped, SETTINGS))  # labels are not read


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls_and_what_is_learnt_ranks_articles(kind, articles, tmp_path):
    tuning = replace(TUNING, epochs=24, lr=1e-2, clip_norm=1.0, round_steps=8)
    settings, lora = SETTINGS, replace(LORA, rank=8, alpha=16)
    vlm = models.adapted(of(kind), lora, 0)
    train = balanced(articles, 0, 0)
    history = tune(vlm, train, articles[:8], settings, tuning, 0, tmp_path / "c", "k")
    assert history[-1]["loss"] < 0.3 * history[0]["loss"]
    labels = np.array([one.label for one in articles])
    assert roc_auc_score(labels, score(vlm, articles, settings)) > 0.8
    assert np.argmin([row["validation"] for row in history]) >= 1
    assert training.validation_loss(vlm, articles[:8], settings) == pytest.approx(
        min(row["validation"] for row in history), rel=1e-4
    )


def test_only_adapters_learn_and_accumulation_equals_a_larger_batch(articles, tmp_path):
    states = []
    for batch, accumulate in ((4, 2), (8, 1)):
        tuning = replace(TUNING, batch=batch, accumulate=accumulate, epochs=1)
        vlm = models.adapted(of("mllama"), LORA, 0)
        before = {n: p.clone() for n, p in vlm.model.named_parameters() if not p.requires_grad}
        tune(vlm, articles[:16], articles[:8], SETTINGS, tuning, 0, tmp_path / f"{batch}", "k")
        assert all(
            torch.equal(before[n], p) for n, p in vlm.model.named_parameters() if n in before
        )
        states.append([p.detach() for p in vlm.model.parameters() if p.requires_grad])
    for one, other in zip(*states, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-4)
    assert models.trainable(vlm) == sum(p.numel() for p in states[0])


def test_a_killed_run_goes_on_to_the_same_bytes(articles, tmp_path, monkeypatch):
    train, held = balanced(articles, 0, 0), articles[:8]
    lora = replace(LORA, dropout=0.2)

    def fresh():
        return models.adapted(of("mllama"), lora, 0)

    whole = fresh()
    history = tune(whole, train, held, SETTINGS, TUNING, 3, tmp_path / "whole", "k")
    killed, steps, before = fresh(), [], training._step

    def dying(*arguments):
        steps.append(arguments[5])
        if len(steps) == 4:
            raise KeyboardInterrupt
        return before(*arguments)

    monkeypatch.setattr(training, "_step", dying)
    with pytest.raises(KeyboardInterrupt):
        tune(killed, train, held, SETTINGS, TUNING, 3, tmp_path / "part", "k")
    again = fresh()
    assert tune(again, train, held, SETTINGS, TUNING, 3, tmp_path / "part", "k") == history
    assert steps == [0, 1, 2, 3, 3]
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_learning_rate_warms_up_and_stays(articles, monkeypatch):
    vlm = models.adapted(of("mllama"), LORA, 0)
    trained = {n: p for n, p in vlm.model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=1.0)
    tuning = replace(TUNING, warmup=0.5, epochs=4)
    monkeypatch.setattr(training, "answer_loss", lambda *_: sum(p.sum() for p in trained.values()))
    monkeypatch.setattr(training, "_batch", lambda *_: None)
    rates = []
    for step in range(8):
        training._step(vlm, articles[:16], SETTINGS, tuning, 0, step, optimizer, trained)
        rates.append(optimizer.param_groups[0]["lr"] / tuning.lr)
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])


def test_adapters_lie_in_the_language_model_unless_vision_is_asked_for(vlm):
    kind = vlm.source.removeprefix("tiny:")
    language = models.adapted(of(kind), LORA, 0)
    both = models.adapted(of(kind), replace(LORA, vision=True), 0)

    def towers(one):
        return {"vision" in n for n, p in one.model.named_parameters() if p.requires_grad}

    assert towers(language) == {False}
    assert towers(both) == {False, True}


def test_four_bits_refuse_without_a_gpu_or_for_a_tiny_model():
    nf4 = Model("llama", "meta-llama/Llama-3.2-11B-Vision-Instruct", "nf4")
    with pytest.raises(VlmError, match="llama: quantise: nf4 needs a CUDA device") as error:
        models.load(nf4, SETTINGS)
    assert "\n" not in str(error.value)
    with pytest.raises(VlmError, match="tiny:mllama is not quantised"):
        models.load(Model("x", "tiny:mllama", "nf4"), SETTINGS)
    if not torch.cuda.is_available():
        with pytest.raises(VlmError, match="^device: 'cuda' was asked for"):
            models.check(replace(SETTINGS, device="cuda"))
    made = models.nf4()
    assert (made.bnb_4bit_quant_type, made.bnb_4bit_use_double_quant) == ("nf4", True)


def test_a_model_that_is_not_there_is_one_line():
    with pytest.raises(VlmError, match="^models: 'HuggingFaceTB/SmolVLM-256M' cannot be") as error:
        models.load(Model("smol", "HuggingFaceTB/SmolVLM-256M"), SETTINGS)
    assert "\n" not in str(error.value)
    with pytest.raises(VlmError, match="^source: tiny:llava is none of tiny:mllama"):
        of("llava")


def test_a_model_saved_to_a_folder_loads_from_there(articles, tmp_path):
    made = of("mllama")
    made.model.save_pretrained(tmp_path)
    made.processor.save_pretrained(tmp_path)
    loaded = models.load(Model("mine", str(tmp_path)), SETTINGS)
    assert loaded.remark == ""
    assert made.remark == UNTRAINED
    assert np.array_equal(*(score(one, articles[:3], SETTINGS) for one in (made, loaded)))


def test_text_is_cut_by_words_and_never_the_answer(vlm, articles):
    long = articles[0]._replace(text="word " * 900)
    assert prompt_of(long.text, SETTINGS).count("word ") < SETTINGS.words + 3
    batch = encode(vlm.processor, [long, articles[1]], ["Likely", "Unlikely"], SETTINGS)
    assert (batch.labels != IGNORE).sum(1).tolist() == [2, 2]
    log_probs = answer_log_probs(vlm, batch, SETTINGS)
    assert (log_probs != 0).sum(1).tolist() == [2, 2]


def test_templates_and_tokenizers_that_hide_the_answer_are_refused(articles):
    vlm = of("mllama")
    vlm.processor.chat_template = models.TEMPLATE.replace("IMAGE", "<|image|>").replace(
        "<|assistant|>", "<|assistant|>Answer: "
    )
    with pytest.raises(VlmError, match="^chat template: an answered question does not begin"):
        encode(vlm.processor, articles[:1], ["Likely"], SETTINGS)
    with pytest.raises(VlmError, match="^tokenizer: a token joins the end of the prompt"):
        chat._answer_tokens(vlm.processor.tokenizer, "it is like", "it is likely")


def test_the_estimate_is_of_llamas_size():
    made = estimate(MllamaConfig(), Lora(), Tuning(), rows=10_000, tokens=1024)
    assert 10.5e9 < made.parameters < 11e9
    linear = (4 * made.parameters - made.weights_gb * 1e9) / (4 - NF4)  # all others: 4 bytes
    head = MllamaConfig().text_config.vocab_size * MllamaConfig().text_config.hidden_size
    assert 2 * head < made.parameters - linear < 2.1 * head  # words and head are most of the rest
    plain = estimate(MllamaConfig(), Lora(), Tuning(), rows=10_000, tokens=1024, nf4=False)
    assert plain.weights_gb == pytest.approx(made.parameters * 2 / 1e9)
    assert made.weights_gb < made.peak_gb < plain.peak_gb
    twice = estimate(MllamaConfig(), Lora(), Tuning(), rows=20_000, tokens=1024)
    assert twice.hours == pytest.approx(2 * made.hours)


@pytest.mark.parametrize("vision", [False, True])
def test_the_estimate_counts_what_peft_adds(vision):
    base = of("mllama")
    lora = replace(LORA, vision=vision)
    made = estimate(base.model.config, lora, Tuning(), rows=1, tokens=1, nf4=False)
    assert made.parameters == sum(p.numel() for p in base.model.parameters())
    assert isinstance(base.model, MllamaForConditionalGeneration)
    assert made.trainable == models.trainable(models.adapted(base, lora, 0))


@pytest.fixture(scope="module")
def pairs(articles):
    table = pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=range(len(articles)))
    table["id"] = [f"a{i}" for i in table.index]
    table["group"] = table["id"]
    table["text"] = [one.text for one in articles]
    table["image"] = [one.image.name for one in articles]
    table["label"] = [one.label for one in articles]
    table["split"] = ["train"] * 14 + ["validation"] * 4 + ["test"] * 6
    return table


def test_the_study_writes_the_columns_of_the_fake_news_study(
    articles, pairs, tmp_path, monkeypatch
):
    recipe = Recipe("ours", LORA, replace(TUNING, epochs=1))
    settings = replace(SETTINGS, seeds=(0, 1), scored_rows=5, recipes=(recipe,))
    arguments = (
        pairs,
        articles[0].image.parent,
        settings,
        tmp_path / "cache",
        tmp_path / "adapters",
    )
    made = study.run(*arguments)
    found = made["predictions"]
    assert list(found.columns) == TABLES["predictions"]
    sizes = found.groupby(["system", "seed"], sort=False).size()
    assert sizes.to_dict() == {
        ("tiny_zero_shot", 0): 9, ("tiny_few_shot", 0): 9, ("tiny_few_shot", 1): 9,
        ("tiny_ours", 0): 9, ("tiny_ours", 1): 9,
    }  # fmt: skip
    truth = pairs.set_index("id")["label"]
    assert (found["y_true"].to_numpy() == truth[found["id"]].to_numpy()).all()
    costs = made["costs"].set_index("system")
    assert list(made["costs"].columns) == list(study.COSTS)
    assert (costs.loc["tiny_ours", "trainable"] > 0).all()
    assert costs.loc["tiny_zero_shot", "trainable"] == 0
    assert (costs["remark"] == UNTRAINED).all()
    assert list(made["measured"].columns) == list(study.MEASURED)
    assert (made["measured"][["seconds", "peak_memory_mb"]] > 0).all(axis=None)
    assert not {"seconds", "peak_memory_mb"} & {key for one in study.FILES.values() for key in one}
    record = tmp_path / "runs" / "predictions-vlm.json"
    monkeypatch.setattr(study, "record_path", lambda _: record)
    study.write(made, tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == len(study.FILES)
    measured = pd.read_json(record)
    pd.testing.assert_frame_equal(measured, made["measured"], check_exact=False)
    for name in study.FILES:
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "out" / f"{name}.parquet"), made[name]
        )
    saved = models.load_adapter(of("mllama"), tmp_path / "adapters" / "tiny_ours" / "seed1")
    test = study.articles_of(pairs, arguments[1], "test", settings)
    rows = found.query("system == 'tiny_ours' and seed == 1 and split == 'test'")
    np.testing.assert_allclose(score(saved, test, settings), rows["score"], rtol=1e-5)


def test_a_finished_run_is_not_made_again_and_another_table_starts_anew(
    articles, pairs, tmp_path, monkeypatch
):
    settings = replace(SETTINGS, modes=("zero_shot",), recipes=())
    arguments = (articles[0].image.parent, settings, tmp_path / "cache", tmp_path / "adapters")
    first = study.run(pairs, *arguments)
    calls = []
    before = study.score
    monkeypatch.setattr(study, "score", lambda *a: calls.append(1) or before(*a))
    pd.testing.assert_frame_equal(study.run(pairs, *arguments)["predictions"], first["predictions"])
    assert calls == []
    other = pairs.assign(text=pairs["text"] + " town")
    study.run(other, *arguments)
    assert len(calls) == 2
    with pytest.raises(VlmError, match="^pairs: no row of split validation"):
        study.run(pairs[pairs["split"] != "validation"], *arguments)


def test_findings_have_intervals_costs_and_paired_gains(articles, pairs, tmp_path):
    recipes = (Recipe("ours", LORA, replace(TUNING, epochs=1)),)
    settings = replace(SETTINGS, seeds=(0, 1), modes=("zero_shot",), recipes=recipes)
    root = articles[0].image.parent
    made = study.run(pairs, root, settings, tmp_path / "cache", tmp_path / "adapters")
    found = made["predictions"]
    perfect = found[(found["system"] == "tiny_ours") & (found["seed"] == 0)]
    perfect = perfect.assign(system="text_only", score=perfect["y_true"] * 0.8 + 0.1)
    swapped = perfect.assign(variant="swap:image", score=0.0)
    outlets = perfect.assign(protocol="outlet", score=0.0)
    pd.concat([perfect, swapped, outlets]).to_parquet(tmp_path / "predictions.parquet")
    board = findings.build(findings.beside(found, tmp_path), 50)
    table = findings.table(board, made["costs"]).set_index("system")
    seconds = made["measured"].query("system == 'tiny_ours'")["seconds"]
    spent = findings.spent(made["measured"])
    assert spent.loc["tiny_ours", "seconds"] == pytest.approx(seconds.mean())
    assert table.index.tolist() == ["tiny_zero_shot", "tiny_ours", "text_only"]
    assert table.loc["text_only", "auc"] == 1
    assert table.loc["tiny_ours", "seeds"] == 2
    assert table.loc["tiny_ours", "trainable"] > 0
    gains = findings.gains(board, made["costs"])
    assert gains["mode"].tolist() == ["ours"]
    expected = table.loc["tiny_ours", "auc"] - table.loc["tiny_zero_shot", "auc"]
    assert gains["difference"].iloc[0] == pytest.approx(expected)
    fewer = perfect[perfect["id"] != "a23"]
    fewer.to_parquet(tmp_path / "predictions.parquet")
    with pytest.raises(ValueError, match="no row of article a23"):
        findings.beside(found, tmp_path)
    assert findings.beside(found, None) is found
    panels = findings.losses(made["histories"], ["tiny_ours"]).axes
    assert len(panels[0].lines) == 4


@pytest.mark.filterwarnings("error")
def test_adapters_are_made_and_read_without_a_warning(tmp_path):
    made = models.adapted(of("mllama"), LORA, 0)
    models.save_adapter(made, tmp_path / "one")
    models.load_adapter(of("mllama"), tmp_path / "one")


def test_the_published_rows_are_those_of_the_papers():
    rows = findings.published().set_index("setting")["accuracy"]
    assert rows.to_dict() == {"zero-shot": 0.706, "5-shot": 0.730, "fine-tuned": 0.904}


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [("", "shots", 3), ("", "words", 0), ("", "models", ()), ("lora", "rank", 0),
     ("lora", "targets", ("lm_head",)), ("tuning", "lr", 0.0), ("tuning", "round_steps", 0)],
)  # fmt: skip
def test_settings_out_of_range_are_named(part, key, value):
    changed, name = {key: value}, key
    if part:
        recipe = Recipe()
        recipe = replace(recipe, **{part: replace(getattr(recipe, part), **changed)})
        changed, name = {"recipes": (recipe,)}, f"recipes.published.{part}.{key}"
    with pytest.raises(ValueError, match=f"^{name}: "):
        replace(SETTINGS, **changed).validate()


def test_a_recipe_is_not_named_like_a_row_without_training():
    with pytest.raises(ValueError, match="^recipes: zero_shot is the name of a row"):
        replace(SETTINGS, recipes=(Recipe("zero_shot"),)).validate()


def test_two_recipes_of_one_name_are_refused():
    with pytest.raises(ValueError, match="^recipes: a name appears twice in published, published"):
        replace(SETTINGS, recipes=(Recipe(), Recipe())).validate()

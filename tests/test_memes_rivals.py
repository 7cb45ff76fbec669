"""The rivals: published shapes, losses by hand, and each trap of their inputs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import LxmertConfig, LxmertModel, ViltConfig, ViltModel, VisualBertModel

from lib.memes.rivals import UNTRAINED, extpie, fit, joint, remarks, tibva
from lib.memes.rivals.descent import Course, outputs, train
from lib.memes.rivals.features import grid_regions
from lib.memes.rivals.features.words import shortened
from lib.memes.rivals.joint.models import Lxmert, Vilt, VisualBert, check
from lib.memes.rivals.settings import (
    ExtPieNetSettings,
    JointSettings,
    Rivals,
    TibVaSettings,
)
from lib.memes.scores import macro_auc
from lib.memes.systems.inputs import Inputs
from lib.memes.systems.registry import SYSTEMS

ROWS, SPLITS = 320, (240, 20, 60)
SMALL = JointSettings(lr=1e-2, epochs=7, batch=16, text_length=8, width=16, layers=1, hidden=16)
QUICK = Rivals(
    tib_va=TibVaSettings(epochs=12, batch=16, lr=1e-2, hidden=16, milestones=(), keep="last"),
    ext_pie_net=ExtPieNetSettings(
        width=16, attention=8, pretrain_epochs=2, pretrain_batch=64, epochs=30, batch=32, lr=1e-2
    ),
    visualbert=SMALL,
    lxmert=SMALL,
    vilt=SMALL,
)
SETTINGS = SimpleNamespace(rivals=QUICK)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def inputs():
    """Memes whose first type stands in the picture and whose second stands in the text."""
    rng = np.random.default_rng(0)
    types = (rng.random((ROWS, 4)) < 0.4).astype(int)
    targets = np.column_stack([types.max(1), types])
    image, text = rng.standard_normal((2, ROWS, 12)).astype(np.float32)
    cells = rng.standard_normal((ROWS, 4, 12))
    tokens, states = rng.standard_normal((2, ROWS, 6, 10))
    pixels = rng.integers(0, 60, (ROWS, 3, 32, 32))
    ids = rng.integers(1000, 1100, (ROWS, 10))
    image[:, 0] += 4 * types[:, 0]
    cells[:, :, 0] += 4 * types[:, [0]]
    pixels += 150 * types[:, 0, None, None, None]
    tokens[:, 2, 0] += 6 * types[:, 1]
    states[:, :3, 0] += 4 * types[:, [1]]
    ids[:, 1:4] = np.where(types[:, [1]] > 0, 2000, 2001)
    ids[:, 6:] = 0
    extra = {
        "tokens": tokens.astype(np.float16), "states": states.astype(np.float16),
        "token_lengths": np.full(ROWS, 4, np.int32), "lengths": np.full(ROWS, 5, np.int32),
        "ids": ids.astype(np.int32), "pixels": pixels.astype(np.uint8),
        "cells": cells.astype(np.float16),
    }  # fmt: skip
    extra |= grid_regions(extra["cells"])
    split = np.repeat(["train", "validation", "test"], SPLITS)
    return Inputs(image, text, targets, split, np.arange(ROWS).astype(str), extra)


def quality(scores, inputs, label):
    rows = inputs.rows("test")
    return macro_auc(inputs.targets[rows][:, [label]], scores[rows][:, [label - 5]])


@pytest.mark.parametrize("name", ["tib_va", "ext_pie_net", "visualbert", "lxmert", "vilt"])
def test_each_rival_learns_what_stands_in_the_picture_and_in_the_text(inputs, name):
    fitted = fit(SYSTEMS[name], inputs, inputs.draw(0.5), 0, SETTINGS)
    assert fitted.scores.shape == (ROWS, SYSTEMS[name].outputs)
    assert fitted.scores.dtype == np.float32
    assert ((fitted.scores >= 0) & (fitted.scores <= 1)).all()
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"]
    assert set(fitted.history[0]) == {"epoch", "loss", "task_b", "auc"}
    assert quality(fitted.scores, inputs, 1) > 0.75
    assert quality(fitted.scores, inputs, 2) > 0.75


@pytest.mark.parametrize("name", ["tib_va", "ext_pie_net", "vilt"])
def test_same_seed_same_bytes_and_labels_without_a_door_do_nothing(inputs, name):
    draw = inputs.draw(0.1)
    few = SimpleNamespace(rivals=replace(QUICK, vilt=replace(SMALL, epochs=1)))
    hidden = inputs.targets.copy()
    hidden[draw.unlabelled] = 1 - hidden[draw.unlabelled]
    hidden[inputs.rows("test")] = 0
    other = replace(inputs, targets=hidden, memo={})
    first, again, seed = (
        fit(SYSTEMS[name], given, draw, seed, few).scores
        for given, seed in ((inputs, 0), (other, 0), (inputs, 1))
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, seed)


def test_tib_va_is_the_published_network():
    model = tibva.TibVa(768, 768, 5, 256, 0.2)
    parts = [sum(p.numel() for p in part.parameters()) for part in model.children()]
    assert parts == [768 * 256 + 256, 4 * 256 * (768 + 256), 0, 512 * 256 + 256, 5 * 257]
    course = tibva.course(TibVaSettings(), 0)
    assert (course.betas, course.lr, course.weight_decay) == ((0.99, 0.98), 1e-4, 1e-4)
    optimizer = torch.optim.Adam(model.parameters(), lr=course.lr)
    schedule = course.schedule(optimizer, 3)
    rates = []
    for _ in range(20 * 3):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    falls = [(i // 3, b / a) for i, (a, b) in enumerate(zip(rates, rates[1:], strict=False), 1)
             if a != b]  # fmt: skip
    assert falls == [(5, 0.5), (10, 0.5), (15, 0.5)]


def test_tib_va_reads_the_last_hidden_after_all_positions_unless_padding_is_masked():
    torch.manual_seed(0)
    model = tibva.TibVa(4, 6, 5, 8, 0.2).eval()
    image, tokens = torch.randn(3, 4), torch.randn(3, 77, 6)
    padded = tokens.clone()
    padded[:, 76] += 1  # long after the texts' ends
    ends = torch.tensor([5, 9, 76])
    assert not torch.allclose(model(image, tokens), model(image, padded))
    torch.testing.assert_close(model(image, tokens, ends), model(image, padded, ends))
    alone = model(image[:1], tokens[:1, :5])
    torch.testing.assert_close(model(image, tokens, ends)[:1], alone)
    torch.testing.assert_close(model(image, tokens), model(image, tokens, torch.full((3,), 77)))


def test_tib_va_s_loss_is_a_sum_of_five_and_its_best_epoch_counts(inputs, monkeypatch):
    seen = {}

    def spy(model, loss_of, rows, course, after_epoch):
        model.eval()
        seen["loss"] = loss_of(rows[:7]).item()
        seen["logits"] = model(
            torch.tensor(inputs.image[rows[:7]]),
            torch.tensor(inputs.extra["tokens"][rows[:7]]).float(),
        )
        return []

    monkeypatch.setattr(tibva, "train", spy)
    draw = inputs.draw(0.3)
    fit(SYSTEMS["tib_va"], inputs, draw, 0, SETTINGS)
    wanted = torch.tensor(inputs.targets[draw.labelled[:7]]).float()
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        seen["logits"], wanted, reduction="none"
    )
    assert seen["loss"] == pytest.approx(sum(each.mean(0).tolist()), rel=1e-5)
    monkeypatch.undo()
    model = torch.nn.Linear(1, 1)
    best = tibva._Best("best", inputs, model)
    truth = inputs.targets[inputs.validation]
    for value, scores in ((1.0, truth), (2.0, 1 - truth)):
        model.weight.data.fill_(value)
        best.look(scores.astype(float))
    best.restore()
    assert model.weight.item() == 1.0


def test_ext_pie_net_s_losses_by_hand():
    cosines = torch.tensor([[0.9, 0.8, 0.0], [0.5, 0.4, 0.1], [0.0, 0.0, 1.0]])
    expected = (0.1 + 0 + 0.3 + 0 + 0 + 0) / 6
    assert extpie.hinge(cosines, 0.2).item() == pytest.approx(expected)
    first = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    e = np.exp(1 / 0.5)
    alike = -np.log(e / (e + 2))
    assert extpie.nt_xent(first, first, 0.5).item() == pytest.approx(alike, rel=1e-6)
    own = ExtPieNetSettings()
    wrong = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    value = extpie.matching(first, wrong, own).item()
    assert value == pytest.approx(1.2)  # both ways: margin - 0 + 1
    total = extpie.self_supervised((first, wrong, wrong), (first, wrong, wrong), own).item()
    assert total == pytest.approx(0.2 * (1.2 + 1.2) + 0.6 * alike, rel=1e-6)


def test_views_are_windows_of_the_grid_and_texts_that_keep_their_first_token():
    torch.manual_seed(0)
    seen = extpie.windows(200, 16, 0.5).view(200, 4, 4)
    for mask in seen:
        rows, columns = mask.any(1), mask.any(0)
        assert torch.equal(mask, rows[:, None] & columns[None, :])
        for side in (rows, columns):
            assert side.sum() >= 2
            at = side.nonzero().flatten()
            assert len(at) == at[-1] - at[0] + 1
    read = torch.ones(200, 9, dtype=torch.bool)
    read[:, 7:] = False
    kept = extpie.left_out(read, 0.2)
    assert kept[:, 0].all()
    assert not kept[:, 7:].any()
    assert 0.7 < kept[:, 1:7].float().mean() < 0.9
    with pytest.raises(ValueError, match="^cells: 12 are no square grid"):
        extpie.windows(2, 12, 0.5)


def test_a_pienet_ignores_what_is_masked():
    torch.manual_seed(0)
    head = extpie.PIENet(6, 4, 8)
    whole, parts = torch.randn(3, 6), torch.randn(3, 5, 6)
    mask = torch.tensor([[True, True, True, False, False]] * 3)
    changed = parts.clone()
    changed[:, 3:] += 9
    torch.testing.assert_close(head(whole, parts, mask), head(whole, changed, mask))
    torch.testing.assert_close(head(whole, parts, mask), head(whole, parts[:, :3], mask[:, :3]))
    changed[:, 0] += 1
    assert not torch.allclose(head(whole, parts, mask), head(whole, changed, mask))


def test_ext_pie_net_is_pre_trained_once_a_seed_without_labels(inputs, monkeypatch):
    given = replace(inputs, memo={})
    calls = []
    before = extpie.pretrained
    monkeypatch.setattr(extpie, "pretrained", lambda *args: calls.append(args[2]) or before(*args))
    for ratio in (0.3, 0.1):
        fit(SYSTEMS["ext_pie_net"], given, given.draw(ratio), 5, SETTINGS)
    assert calls == [5]


def test_vilt_has_40_text_positions_and_texts_are_cut_to_them():
    shapes = {"ids": (2, 60), "pixels": (2, 3, 32, 32)}
    with pytest.raises(ValueError, match="^vilt: 40 text positions, but texts of 60"):
        Vilt(SMALL, shapes)
    with pytest.raises(ValueError, match=r"^vilt.text_length: it has 40 positions, got 60"):
        Rivals(vilt=replace(SMALL, text_length=60)).validate()
    model = ViltModel(ViltConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=1,
                                 intermediate_size=16, image_size=32, patch_size=16))  # fmt: skip
    with pytest.raises((RuntimeError, IndexError)):  # what transformers itself says
        model(input_ids=torch.ones(1, 60).long(), pixel_values=torch.zeros(1, 3, 32, 32))
    ids = np.zeros((2, 60), np.int32)
    ids[0, :50], ids[1, :9] = 7, 8
    ids[0, 49], ids[1, 8] = 102, 102
    cut = shortened(ids, 40)
    assert cut.shape == (2, 40)
    assert cut[0, -1] == 102
    assert (cut[0, :-1] == 7).all()
    assert np.array_equal(cut[1], ids[1, :40])
    Vilt(SMALL, {"ids": cut.shape, "pixels": (2, 3, 32, 32)})
    with pytest.raises(ValueError, match="^vilt: pixels: 40 is no multiple"):
        Vilt(SMALL, {"ids": (2, 8), "pixels": (2, 3, 40, 40)})


def test_vilt_scores_do_not_depend_on_the_generator_s_state(inputs):
    model = Vilt(SMALL, {"ids": (ROWS, 8), "pixels": inputs.extra["pixels"].shape})

    def run(rows):
        ids = torch.tensor(inputs.extra["ids"][rows, :8])
        return model({"ids": ids, "pixels": torch.tensor(inputs.extra["pixels"][rows])})

    made = []
    for state in (1, 2):
        torch.manual_seed(state)
        made.append(outputs(model, run, np.arange(20), 8))
    assert np.array_equal(*made)


def test_visualbert_refuses_regions_of_another_width(tmp_path):
    made = VisualBert(SMALL, {"ids": (2, 8), "regions": (2, 4, 24)})
    made.model.save_pretrained(tmp_path)
    own = replace(SMALL, checkpoint=str(tmp_path))
    VisualBert(own, {"ids": (2, 8), "regions": (2, 4, 24)})
    message = "visual_embedding_dim is 24, but regions have 12 numbers"
    with pytest.raises(ValueError, match=f"^visualbert: {message}"):
        VisualBert(own, {"ids": (2, 8), "regions": (2, 4, 12)})


def test_visualbert_s_mask_and_marks_reach_it():
    torch.manual_seed(0)
    joint_model = VisualBert(SMALL, {"ids": (2, 8), "regions": (2, 4, 12)}).eval()
    assert isinstance(joint_model.model, VisualBertModel)
    batch = {
        "ids": torch.randint(1000, 1100, (2, 8)),
        "regions": torch.randn(2, 4, 12),
        "region_mask": torch.tensor([[1, 1, 0, 0]] * 2),
    }
    other = {k: v.clone() for k, v in batch.items()}
    other["regions"][:, 2:] += 5
    torch.testing.assert_close(joint_model(batch), joint_model(other))
    other["regions"][:, 0] += 5
    assert not torch.allclose(joint_model(batch), joint_model(other))


def test_lxmert_wants_both_visual_inputs_and_boxes_as_shares(tmp_path):
    shapes = {"ids": (2, 8), "regions": (2, 4, 12), "boxes": (2, 4, 4)}
    made = Lxmert(SMALL, shapes).eval()
    batch = {
        "ids": torch.randint(1000, 1100, (2, 8)), "regions": torch.randn(2, 4, 12),
        "boxes": torch.rand(2, 4, 4), "region_mask": torch.ones(2, 4),
    }  # fmt: skip
    moved = batch | {"boxes": 1 - batch["boxes"]}
    assert made(batch).shape == (2, 16)
    assert not torch.allclose(made(batch), made(moved))
    with pytest.raises(ValueError, match="^lxmert: boxes must be shares of the picture"):
        made(batch | {"boxes": batch["boxes"] * 640})
    small = LxmertModel(LxmertConfig(hidden_size=16, num_attention_heads=1, intermediate_size=16,
                                     l_layers=1, x_layers=1, r_layers=1))  # fmt: skip
    for left in ("visual_feats", "visual_pos"):
        given = {"visual_feats": torch.zeros(1, 2, 2048), "visual_pos": torch.zeros(1, 2, 4)}
        given[left] = None
        with pytest.raises(ValueError, match=left):  # what transformers itself says
            small(input_ids=torch.ones(1, 3).long(), **given)
    small.save_pretrained(tmp_path)
    own = replace(SMALL, checkpoint=str(tmp_path))
    with pytest.raises(ValueError, match="^lxmert: visual_feat_dim is 2048, but regions have 12"):
        Lxmert(own, shapes)
    adapted = Lxmert(replace(own, adapter=True), shapes)
    assert adapted.adapter.weight.shape == (2048, 12)
    assert adapted(batch).shape == (2, 16)


def test_a_missing_array_checkpoint_or_gpu_is_one_line(inputs):
    less = replace(inputs, extra={k: v for k, v in inputs.extra.items() if k != "boxes"}, memo={})
    with pytest.raises(ValueError, match="^features: 'boxes' is missing; run the stage"):
        fit(SYSTEMS["lxmert"], less, less.draw(0.3), 0, SETTINGS)
    with pytest.raises(ValueError, match=r"^vilt.checkpoint: 'dandelin/vilt-b32-mlm' cannot") as e:
        check(Rivals(vilt=replace(SMALL, checkpoint="dandelin/vilt-b32-mlm")))
    assert "\n" not in str(e.value)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match=r"^lxmert.gpu: a CUDA device is needed"):
            check(Rivals(lxmert=replace(SMALL, gpu=True)))
    check(QUICK)


def test_remarks_name_stand_ins_and_untrained_architectures():
    towers = {"image": {"stands_in": "A for B"}, "text": {"stands_in": "C for D"}}
    made = remarks(SETTINGS, {"towers": towers})
    assert made["cmml_origin"] == "A for B"
    assert made["ext_pie_net"] == "A for B, C for D"
    assert made["tib_va"] == ""
    assert {made[name] for name in ("visualbert", "lxmert", "vilt")} == {UNTRAINED}
    loaded = replace(SMALL, checkpoint="x")
    real = SimpleNamespace(rivals=replace(QUICK, visualbert=loaded, lxmert=loaded, vilt=loaded))
    made = remarks(real, {"towers": {"image": {}, "text": {}, "detector": {}}})
    assert set(made.values()) == {""}
    grid = remarks(real, {"towers": {"image": {}, "text": {}}})
    assert grid["visualbert"] == grid["lxmert"] == "grid cells for regions"


def test_the_loop_clips_leaves_single_rows_out_and_names_what_diverges():
    model = torch.nn.Linear(1, 1, bias=False)
    sizes = []

    def loss_of(rows):
        sizes.append(len(rows))
        return (model.weight**2).sum()

    train(model, loss_of, np.arange(9), Course(1, 4, 0.1, 0))
    assert sizes == [4, 4]
    with pytest.raises(ValueError, match="^rows: 1 are too few"):
        train(model, loss_of, np.arange(1), Course(1, 4, 0.1, 0))
    with pytest.raises(ValueError, match="^epoch 1: the loss is nan"):
        train(
            model, lambda rows: model.weight.sum() * torch.nan, np.arange(4), Course(1, 4, 0.1, 0)
        )
    model, norms = torch.nn.Linear(1, 1, bias=False), []
    before = torch.nn.utils.clip_grad_norm_

    def spy(parameters, norm):
        value = before(parameters, norm)
        norms.append(next(iter(parameters)).grad.norm().item())
        return value

    torch.nn.utils.clip_grad_norm_ = spy
    try:
        train(model, lambda rows: 100 * model.weight.sum(), np.arange(4),
              Course(1, 4, 0.1, 0, clip_norm=1.0))  # fmt: skip
    finally:
        torch.nn.utils.clip_grad_norm_ = before
    assert norms == [pytest.approx(1.0, rel=1e-4)]


def test_settings_out_of_range_are_named():
    for key, value in (("epochs", 0), ("dropout", 1.0), ("clip_norm", -1.0)):
        with pytest.raises(ValueError, match=f"^tib_va.{key}: "):
            replace(QUICK, tib_va=replace(QUICK.tib_va, **{key: value})).validate()
    for key, value in (("heads", 3), ("width", 0), ("margin", 0.0), ("view_words", 1.0)):
        name = "heads" if key == "heads" else key
        with pytest.raises(ValueError, match=f"^ext_pie_net.{name}: "):
            replace(QUICK, ext_pie_net=replace(QUICK.ext_pie_net, **{key: value})).validate()
    with pytest.raises(ValueError, match="^visualbert.lr: "):
        replace(QUICK, visualbert=replace(SMALL, lr=0.0)).validate()
    assert joint.MODELS.keys() == {"visualbert", "lxmert", "vilt"}

"""Networks of the fake-news study: shapes, gates, fusions, and the defects of their models."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fnd_world import make_inputs

from lib.fnd.model.classifier import Output, PairClassifier, Teacher
from lib.fnd.model.feed import Feed, means
from lib.fnd.model.fusion import Affine, Fusion, GatedFusion, ModalityAttention, Standardised
from lib.fnd.model.towers import ChunkAttention, LayerMix, dense, interaction, mean_of
from lib.fnd.systems import MODALITIES, SYSTEMS, Dense, find, modality_of
from lib.fnd.towers.tops import make_tops

NETWORKS = [name for name, system in SYSTEMS.items() if system.kind == "network"]


def batch_of(system, inputs, rows):
    """The tensors of some rows, and the shapes of one row."""
    fill = means(inputs, system.needs, inputs.rows("train"))
    feed = Feed(inputs, system.needs, rows, fill, "cpu")
    shapes = {name: inputs.features[name].shape[1:] for name in system.needs}
    return feed.take(np.arange(len(rows))), shapes


@pytest.fixture(scope="module")
def inputs():
    return make_inputs()


@pytest.fixture(scope="module")
def tops(inputs):
    return lambda system: make_tops(system.needs, inputs.names, inputs.towers)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_prediction_does_not_depend_on_its_batch_mates(name, inputs, tops):
    """The authors' layer weights sum over the batch; ours must not, nor may anything else."""
    system = SYSTEMS[name]
    batch, shapes = batch_of(system, inputs, np.arange(9))
    torch.manual_seed(0)
    model = PairClassifier(system, shapes, tops(system))
    model.train()(batch)  # running statistics move
    with torch.inference_mode():
        whole = model.eval()(batch)
        for row in (0, 5):
            alone = model({key: value[row : row + 1] for key, value in batch.items()})
            torch.testing.assert_close(alone.logit[0], whole.logit[row], atol=1e-5, rtol=1e-4)
            if whole.attention is not None:
                torch.testing.assert_close(alone.attention[0], whole.attention[row])


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_vectors_and_weights_have_their_shapes(name, inputs, tops):
    system = SYSTEMS[name]
    batch, shapes = batch_of(system, inputs, np.arange(6))
    out = PairClassifier(system, shapes, tops(system))(batch)
    assert out.logit.shape == (6,)
    assert list(out.vectors) == list(system.modalities) == [
        one for one in MODALITIES if one in system.modalities
    ]  # fmt: skip
    weighted = system.fusion in ("attention", "gated")
    assert (out.attention is not None) == weighted
    if weighted:
        assert out.attention.shape == (6, len(system.towers))


def test_the_table_of_systems_is_complete_and_consistent():
    assert len(SYSTEMS) == 30
    for name, system in SYSTEMS.items():
        assert system.name == name
        assert system.title
        assert not system.parent or system.parent in SYSTEMS
    assert SYSTEMS["text_only"].uses == ("text",)
    assert SYSTEMS["image_only"].uses == ("image",)
    assert SYSTEMS["fnd_clip"].uses == ("text", "image")
    assert SYSTEMS["majority"].uses == ()
    assert {n for n, s in SYSTEMS.items() if s.parent == "fnd_clip"} == {
        f"fnd_clip_no_{what}"
        for what in ("clip", "attention", "similarity", "text", "image", "mixed")
    }
    assert not any("clip" in name for name in SYSTEMS["fnd_clip_no_clip"].needs)
    with pytest.raises(ValueError, match="systems: 'trubias' is not one of majority"):
        find(("trubias",))


@pytest.mark.parametrize(
    ("array", "modality"),
    [("bert_last", "text"), ("clip2_image", "image"), ("resnet_image_tuned", "image"),
     ("bert_tuned_count", "text"), ("label", ""), ("clip_text", "text")],
)  # fmt: skip
def test_modality_of_an_array(array, modality):
    assert modality_of(array) == modality


def test_layer_weights_are_the_papers_formula_row_by_row():
    mix = LayerMix(3)
    with torch.no_grad():
        mix.weight.copy_(torch.tensor([0.1, -0.2, 0.3]))
    states = torch.randn(2, 3, 4)
    scores = torch.stack([states[:, k].sum(1) * w for k, w in enumerate(mix.weight)], 1)
    weights = scores.exp() / scores.exp().sum(1, keepdim=True)
    wanted = torch.stack([sum(weights[r, k] * states[r, k] for k in range(3)) for r in range(2)])
    torch.testing.assert_close(mix(states), wanted)


def test_the_standardised_gate_uses_running_statistics_in_evaluation():
    gate = Standardised()
    similarity = torch.randn(4000) * 0.1 + 0.3
    for _ in range(60):
        gate.train()(similarity)
    gate.eval()
    mean, deviation = similarity.mean(), similarity.std()
    one = torch.tensor([0.5])
    wanted = torch.sigmoid((one - mean) / deviation)[:, None]
    torch.testing.assert_close(gate(one), wanted, atol=1e-2, rtol=0)
    assert 0 < float(gate(torch.tensor([0.1]))) < float(gate(torch.tensor([0.5]))) < 1


def test_the_affine_gate_is_the_authors():
    gate = Affine()
    similarity = torch.tensor([0.2, -0.4])
    torch.testing.assert_close(gate(similarity)[:, 0], gate.weight * similarity + gate.bias)
    assert 0 <= gate.weight.item() <= 1
    assert 0 <= gate.bias.item() <= 1


def test_modality_attention_is_the_papers_formula():
    attention = ModalityAttention(3)
    vectors = torch.randn(2, 3, 8)
    summed, weights = attention(vectors, None)
    pooled = attention.mlp(vectors.mean(-1)) + attention.mlp(vectors.max(-1).values)
    torch.testing.assert_close(weights, torch.sigmoid(pooled))
    torch.testing.assert_close(summed, (weights[..., None] * vectors).sum(1))


def test_a_normalised_product_sums_to_d_times_the_cosine():
    left, right = torch.randn(5, 64) * 30, torch.randn(5, 64) * 0.01
    fused, _ = Fusion("product", [64, 64], normalise=True)([left, right], None)
    torch.testing.assert_close(fused.sum(1) / 64, F.cosine_similarity(left, right))
    raw, _ = Fusion("product", [64, 64], normalise=False)([left, right], None)
    torch.testing.assert_close(raw, left * right)


def test_normalised_towers_count_alike_whatever_their_scale():
    left, right = torch.randn(5, 16), torch.randn(5, 16)
    fusion = Fusion("concat", [16, 16], normalise=True)
    torch.testing.assert_close(fusion([left * 100, right], None)[0], fusion([left, right], None)[0])


def test_fusions_need_vectors_of_one_width():
    with pytest.raises(ValueError, match=r"fusion: product needs vectors of one width, got \[4, 5"):
        Fusion("product", [4, 5], normalise=False)


def test_the_gated_fusion_s_weights_sum_to_one():
    gate = GatedFusion(2, 4).eval()
    fused, weights = gate(torch.randn(3, 2, 4), torch.randn(3))
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    assert fused.shape == (3, 5)


def test_chunks_that_are_not_there_do_not_count():
    chunks, count = torch.randn(2, 3, 4), torch.tensor([1, 3])
    torch.testing.assert_close(mean_of(chunks, count)[0], chunks[0, 0])
    torch.testing.assert_close(mean_of(chunks, count)[1], chunks[1].mean(0))
    pool = ChunkAttention(4)
    other = chunks.clone()
    other[0, 1:] = 99.0
    torch.testing.assert_close(pool(chunks, count), pool(other, count))


def test_interaction_ends_with_the_cosine():
    left, right = torch.randn(3, 5), torch.randn(3, 5)
    made = interaction(left, right)
    assert made.shape == (3, 11)
    torch.testing.assert_close(made[:, -1], F.cosine_similarity(left, right))
    torch.testing.assert_close(made[:, :5].sum(1) / 5, made[:, -1])


def test_dense_stacks_drop_out_where_they_should():
    def kinds(at):
        stack, width = dense(Dense((4, 3), norm=True, dropout=0.5, dropout_at=at), 5)
        assert width == 3
        return [type(layer).__name__ for layer in stack]

    base = ["Linear", "BatchNorm1d", "ReLU"]
    assert kinds("first") == [*base, "Dropout", *base]
    assert kinds("last") == [*base, *base, "Dropout"]
    assert kinds("each") == [*base, "Dropout", *base, "Dropout"]
    assert dense(Dense(), 7)[1] == 7


def test_the_teacher_draws_vectors_to_clip_s_and_from_another_row_s():
    towers = torch.nn.ModuleDict({"text": torch.nn.Identity()})
    towers["text"].width = 4
    teacher = Teacher(towers, {"clip_text": (4,)})
    with torch.no_grad():
        teacher.project["text"].weight.copy_(torch.eye(4))
        teacher.project["text"].bias.zero_()
    clip = torch.eye(4)
    right = Output(torch.zeros(4), {"text": clip}, None, None)
    wrong = Output(torch.zeros(4), {"text": clip.roll(1, 0)}, None, None)
    batch = {"clip_text": clip}
    assert teacher(right, batch, 0.2).item() == pytest.approx(0, abs=1e-6)
    assert teacher(wrong, batch, 0.2).item() == pytest.approx(1.8, abs=1e-5)  # 1 - 0, and 1 - .2

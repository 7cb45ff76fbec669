"""Weight interpolation: ends, mixtures, depths, soups, and states that do not fit."""

import open_clip
import pytest
import torch

from lib.interpolation import (
    average,
    greedy_soup,
    interpolate,
    lines,
    per_tower,
    relative_depths,
    wise_ft,
)


def state(seed, **extra):
    torch.manual_seed(seed)
    names = ("visual.a", "text.a", "logit_scale")
    return {name: torch.randn(3) for name in names} | extra


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope="module")
def clip():
    tower = {"width": 16, "layers": 4}
    model = open_clip.CLIP(
        embed_dim=8,
        vision_cfg={"image_size": 16, "patch_size": 8, "head_width": 8, **tower},
        text_cfg={"vocab_size": 50, "context_length": 5, "heads": 2, **tower},
    )
    return model.state_dict()


def test_ends_are_exact_and_own_their_memory():
    a, b = state(0), state(1)
    assert same(interpolate(a, b, wise_ft(0)), a)
    assert same(interpolate(a, b, wise_ft(1)), b)
    mixed = interpolate(a, b, wise_ft(0))
    mixed["visual.a"].zero_()
    assert a["visual.a"].abs().sum() > 0


def test_the_printed_equation():
    a, b = state(0), state(1)
    mixed = interpolate(a, b, wise_ft(0.3))
    for name in a:
        assert torch.allclose(mixed[name], 0.7 * a[name] + 0.3 * b[name])


def test_a_linear_model_interpolates_its_output():
    torch.manual_seed(0)
    first, second, middle = (torch.nn.Linear(4, 2) for _ in range(3))
    middle.load_state_dict(interpolate(first.state_dict(), second.state_dict(), wise_ft(0.25)))
    x = torch.randn(5, 4)
    assert torch.allclose(middle(x), 0.75 * first(x) + 0.25 * second(x), atol=1e-6)


def test_buffers_that_count_come_from_the_nearer_end():
    a = state(0, steps=torch.tensor(3), mask=torch.tensor([True, False]))
    b = state(1, steps=torch.tensor(9), mask=torch.tensor([True, True]))
    assert interpolate(a, b, wise_ft(0.4))["steps"] == 3
    assert interpolate(a, b, wise_ft(0.5))["steps"] == 9
    assert interpolate(a, b, wise_ft(0.6))["mask"].tolist() == [True, True]


def test_half_precision_is_mixed_in_float32():
    a, b = {"w": torch.tensor([1.0]).half()}, {"w": torch.tensor([1.001]).half()}
    mixed = interpolate(a, b, wise_ft(0.5))["w"]
    assert mixed.dtype == torch.float16
    exact = (a["w"].double() + b["w"].double()) / 2
    assert mixed == exact.half()


def test_per_tower():
    a, b = state(0), state(1)
    mixed = interpolate(a, b, per_tower(image=0, text=1))
    assert torch.equal(mixed["visual.a"], a["visual.a"])
    assert torch.equal(mixed["text.a"], b["text.a"])
    assert torch.allclose(mixed["logit_scale"], (a["logit_scale"] + b["logit_scale"]) / 2)
    kept = interpolate(a, b, per_tower(image=0, text=1, scale=0))
    assert torch.equal(kept["logit_scale"], a["logit_scale"])


def test_depths_of_an_open_clip_model(clip):
    found = relative_depths(clip)
    assert found["visual.conv1.weight"] == found["visual.class_embedding"] == 0
    assert found["token_embedding.weight"] == found["positional_embedding"] == 0
    assert found["visual.ln_pre.weight"] == 0
    for tower in ("visual.transformer", "transformer"):
        blocks = [found[f"{tower}.resblocks.{i}.ln_1.weight"] for i in range(4)]
        assert blocks == pytest.approx([0, 1 / 3, 2 / 3, 1])
    last = ("visual.proj", "text_projection", "ln_final.weight", "visual.ln_post.bias")
    assert all(found[name] == 1 for name in (*last, "logit_scale"))


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("visual.trunk.conv_stem.weight", 0),
        ("visual.trunk.bn1.running_var", 0),
        ("visual.trunk.blocks.0.0.bn1.weight", 0),
        ("visual.trunk.blocks.3.1.conv_pw.weight", 0.5),
        ("visual.trunk.blocks.6.0.conv_dw.weight", 1),
        ("visual.trunk.conv_head.weight", 1),
        ("visual.trunk.bn2.weight", 1),
        ("visual.head.proj.weight", 1),
        ("text.transformer.embeddings.word_embeddings.weight", 0),
        ("text.transformer.encoder.layer.0.output.dense.weight", 0),
        ("text.transformer.encoder.layer.5.output.dense.weight", 1),
        ("text.proj.weight", 1),
    ],
)
def test_depths_of_timm_and_hugging_face_towers(name, depth):
    blocks = [f"visual.trunk.blocks.{i}.0.x" for i in range(7)]
    blocks += [f"text.transformer.encoder.layer.{i}.x" for i in range(6)]
    assert relative_depths([*blocks, name])[name] == depth


def test_depths_count_modules_where_only_the_last_layers_are_named():
    names = ["logit_scale", "visual.head.proj.weight", "text.transformer.layer.5.x.weight",
             "text.proj.0.weight", "text.proj.2.weight", "text.proj.2.bias"]  # fmt: skip
    found = relative_depths(names)
    assert [found[name] for name in names[2:]] == [0, 0.5, 1, 1]
    assert found["visual.head.proj.weight"] == found["logit_scale"] == 1


def test_lines_scales_the_update_with_depth(clip):
    tuned = {
        name: value + 1 if value.is_floating_point() else value for name, value in clip.items()
    }
    mixed = interpolate(clip, tuned, lines(0.1, 0.6, clip))
    for name, share in (("visual.conv1.weight", 0.1), ("visual.proj", 0.7)):
        assert torch.allclose(mixed[name] - clip[name], torch.tensor(share), atol=1e-6)
    middle = "transformer.resblocks.2.ln_1.weight"
    assert torch.allclose(mixed[middle] - clip[middle], torch.tensor(0.5), atol=1e-6)
    assert same(interpolate(clip, tuned, lines(1, 0, clip)), tuned)


def test_greedy_soup_keeps_what_does_not_hurt():
    values = {"low": 0.0, "good": 4.0, "better": 5.0, "far": 9.0}
    states = {name: {"w": torch.tensor([value])} for name, value in values.items()}
    soup = greedy_soup(states, lambda s: -abs(float(s["w"]) - 4.6))
    # better (5) first, then good (4): 4.5; low would give 3, far 6.
    assert soup.kept == ("better", "good")
    assert soup.state["w"] == 4.5
    assert [trial[0] for trial in soup.trials] == ["better", "good", "far", "low"]
    assert [trial[2] for trial in soup.trials] == [True, True, False, False]
    best = max(-abs(v - 4.6) for v in values.values())
    assert soup.trials[1][1] >= best


def test_average():
    a, b = state(0, steps=torch.tensor(3)), state(1, steps=torch.tensor(9))
    mean = average([a, b])
    assert torch.allclose(mean["visual.a"], (a["visual.a"] + b["visual.a"]) / 2)
    assert mean["steps"] == 3
    assert torch.allclose(average([a, b, b])["text.a"], interpolate(a, b, wise_ft(2 / 3))["text.a"])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"a": torch.ones(2)}, "theta1: no tensor 'b', which theta0 has"),
        ({"a": torch.ones(2), "b": torch.ones(1), "c": torch.ones(1)}, "theta0: no tensor 'c', wh"),
        ({"a": torch.ones(3), "b": torch.ones(1)}, r"theta1: 'a' has shape \(3,\), theta0 has \(2"),
    ],
)
def test_states_that_do_not_match_are_one_line(other, message):
    with pytest.raises(ValueError, match=message) as caught:
        interpolate({"a": torch.ones(2), "b": torch.ones(1)}, other, wise_ft(0.5))
    assert "\n" not in str(caught.value)


def test_no_state_at_all():
    with pytest.raises(ValueError, match="average: no state given"):
        average([])
    with pytest.raises(ValueError, match="greedy_soup: no candidate given"):
        greedy_soup({}, lambda s: 0.0)

"""The training loop: accumulated gradients equal the full batch's, and a kill costs an epoch."""

import math
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open

from lib.training import TrainSettings, backward, contrastive_loss, fit, schedule


class Pair(torch.nn.Module):
    """Two linear towers with a temperature, optionally with dropout."""

    def __init__(self, dropout=0.0):
        super().__init__()
        torch.manual_seed(0)
        self.image = torch.nn.Sequential(torch.nn.Dropout(dropout), torch.nn.Linear(6, 4))
        self.text = torch.nn.Linear(5, 4)
        self.logit_scale = torch.nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def encode_image(self, x):
        return self.image(x)

    def encode_text(self, x):
        return self.text(x[0]) + 0 * x[1]


def data(n=24):
    """A batch of n learnable pairs with some rows of equal group."""
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(n, 4, generator=generator)
    image = hidden @ torch.randn(4, 6, generator=generator)
    text = hidden @ torch.randn(4, 5, generator=generator)
    return image, (text, torch.zeros(n, 1)), torch.arange(n) // 2 * 2 + torch.arange(n) % 2


def gradients(model, **options):
    """The loss and all gradients of one backward pass."""
    model.zero_grad()
    loss = backward(model, data(), **options)
    return loss, {name: value.grad.clone() for name, value in model.named_parameters()}


@pytest.mark.parametrize("size", [1, 5, 8, 23])
def test_micro_batches_give_the_gradients_of_the_full_batch(size):
    model = Pair()
    loss, whole = gradients(model)
    again, parts = gradients(model, micro_batch=size)
    assert again == pytest.approx(loss, abs=1e-5)
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=1e-5, rtol=1e-4, msg=name)
    assert whole["logit_scale"].abs() > 1e-4  # open_clip's --accum-freq multiplies this one by k


def test_dropout_falls_the_same_in_both_passes(monkeypatch):
    model = Pair(dropout=0.5).train()
    seen = []
    encode = model.encode_image

    def recording(x):
        seen.append(encode(x))
        return seen[-1]

    monkeypatch.setattr(model, "encode_image", recording)
    torch.manual_seed(3)
    backward(model, data(), micro_batch=8)
    for first, second in zip(seen[:3], seen[3:], strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(seen[0], encode(data()[0][:8]))


def test_rows_of_one_group_are_no_negatives():
    unit = torch.nn.functional.normalize(torch.ones(2, 3), dim=-1)
    scale = torch.tensor(math.log(10.0))
    assert contrastive_loss(unit, unit, scale, torch.tensor([7, 7])).item() == pytest.approx(0)
    assert contrastive_loss(unit, unit, scale, None).item() == pytest.approx(math.log(2))


def test_warm_up_then_cosine():
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 11)
    assert max(rates) == rates[10] == 1
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001


def train(epochs=6, stop_at=None, checkpoint=None, key="k", scores=None, patience=99):
    """Train a Pair on one batch an epoch; raise KeyboardInterrupt in validation `stop_at`."""
    model = Pair(dropout=0.2).train()
    calls = []

    def validate():
        calls.append(1)
        if stop_at == len(calls):
            raise KeyboardInterrupt
        return scores[len(calls) - 1] if scores else -float(len(calls))

    batches = SimpleNamespace(steps=1, epoch=lambda number: iter([data()]))
    settings = TrainSettings(epochs=epochs, lr=1e-2, patience=patience, micro_batch=7)
    history = fit(model, batches, settings, validate, checkpoint=checkpoint, key=key)
    return model, history


def test_a_killed_run_ends_with_the_same_bytes(tmp_path):
    scores = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    whole, history = train(scores=scores)
    file = tmp_path / "run.ckpt"
    with pytest.raises(KeyboardInterrupt):
        train(scores=scores, stop_at=4, checkpoint=file)
    resumed, after = train(scores=scores[3:] + [0], checkpoint=file)
    assert [row["loss"] for row in after] == [row["loss"] for row in history]
    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_checkpoint_of_another_run_is_not_used(tmp_path):
    file = tmp_path / "run.ckpt"
    train(epochs=2, checkpoint=file, key="one")
    _, history = train(epochs=2, checkpoint=file, key="two")
    assert len(history) == 2
    assert history[0]["epoch"] == 0


def test_early_stopping_returns_the_best_epoch(tmp_path):
    scores = [0.1, 0.9, 0.3, 0.2, 0.1, 0.0]
    model, history = train(scores=scores, patience=2)
    assert [row["validation"] for row in history] == scores[:4]
    with pytest.raises(KeyboardInterrupt):
        train(scores=scores, stop_at=3, checkpoint=tmp_path / "run.ckpt")
    with safe_open(tmp_path / "run.ckpt", "pt") as saved:  # written after the second epoch
        for name, value in model.named_parameters():
            assert torch.equal(value.detach(), saved.get_tensor(f"now/{name}"))


def one_batch(model, **options):
    """Train on one batch an epoch; returns the weights after every epoch."""
    seen = []
    batches = SimpleNamespace(steps=1, epoch=lambda number: iter([data()]))
    settings = TrainSettings(lr=1e-2, lr_new=1e-2, patience=99, **options)
    keep = lambda epoch, trained: seen.append(  # noqa: E731
        (epoch, {name: value.clone() for name, value in trained.items()})
    )
    fit(model, batches, settings, lambda: -float(len(seen)), after_epoch=keep)
    return seen


def test_every_epochs_weights_are_handed_out():
    model = Pair()
    seen = one_batch(model, epochs=3)
    assert [epoch for epoch, _ in seen] == [0, 1, 2]
    name = "text.weight"
    assert not torch.equal(seen[0][1][name], seen[2][1][name])
    assert torch.equal(model.text.weight, seen[0][1][name])  # the first epoch was the best


def test_adam_adds_the_decay_to_the_gradient():
    plain, decayed, apart = (
        one_batch(Pair(), epochs=1, weight_decay=decay, optimizer=name)[0][1]["text.weight"]
        for decay, name in ((0.0, "adam"), (0.5, "adam"), (0.5, "adamw"))
    )
    # Adam's first step is the gradient's sign times the rate: decay cannot lengthen it.
    start = Pair().text.weight
    assert (decayed - start).abs().max() <= (plain - start).abs().max() * 1.01
    assert not torch.equal(decayed, plain)
    assert not torch.equal(apart, decayed)


def test_a_locked_tower_learns_nothing_in_micro_batches_either():
    model = Pair()
    model.image.requires_grad_(False)
    _, whole = frozen_gradients(model)
    _, parts = frozen_gradients(model, micro_batch=7)
    assert set(whole) == {"text.weight", "text.bias", "logit_scale"}
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=1e-5, rtol=1e-4)


def frozen_gradients(model, **options):
    """The loss and the gradients of what learns."""
    model.zero_grad()
    loss = backward(model, data(), **options)
    return loss, {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad}


def test_logit_scale_stays_below_100():
    model = Pair()
    with torch.no_grad():
        model.logit_scale.fill_(9.0)
    batches = SimpleNamespace(steps=1, epoch=lambda number: iter([data()]))
    fit(model, batches, TrainSettings(epochs=1), lambda: 0.0)
    assert model.logit_scale.item() <= math.log(100) + 1e-6


def test_settings_out_of_range_are_named():
    with pytest.raises(ValueError, match="precision: must be fp32"):
        TrainSettings(precision="fp8").validate()
    with pytest.raises(ValueError, match="optimizer: must be adamw or adam"):
        TrainSettings(optimizer="sgd").validate()

"""CROM-AE and RAW-N-COOK learn what is planted between picture and text, and only with it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.memes.nets.autoencoder import CromAE, CromSettings, cook, fit_autoencoder, fit_pair, ridge
from lib.memes.nets.descent import Descent, descend
from lib.memes.nets.head import STEP_GAMMA, HeadSettings, RawNCook, fit_head
from lib.memes.nets.losses import bce, make_loss
from lib.memes.nets.stacking import Stream, generators, parameters_of_one, probabilities
from lib.memes.scores import macro_auc

D, ROWS = 12, 900
QUICK = HeadSettings(epochs=15, batch=40, lr=4e-3, step_gamma=0.93, hidden=32)
QUICK_AE = CromSettings(epochs=30, batch=40, lr=3e-3)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def memes():
    """Pictures, texts and four labels: of the picture, of the text, of both, of their agreement.

    Text follows the picture linearly but for one unit; the last label: this meme's does not.
    """
    rng = np.random.default_rng(0)
    image = rng.standard_normal((ROWS, D))
    map_ = rng.standard_normal((D, D)) / np.sqrt(D)
    map_[2] = 0  # the picture's unit 2 is of the picture alone
    broken = rng.random(ROWS) < 0.4
    text = image @ map_ + 0.3 * rng.standard_normal((ROWS, D))
    text[:, 2] = rng.standard_normal(ROWS)  # and the text's of the text alone
    text[broken, 0] += np.where(rng.random(broken.sum()) < 0.5, 3.0, -3.0)
    labels = [image[:, 0] > 0.5, text[:, 1] > 0.5, image[:, 2] + text[:, 2] > 0.8, broken]
    features = [torch.tensor(x, dtype=torch.float32) for x in (image, text)]
    return *features, torch.tensor(np.stack(labels, 1).astype(np.float32))


@pytest.fixture(scope="module")
def autoencoders(memes):
    image, text, labels = memes
    sound = labels[:300, 3] == 0
    return fit_pair(image[:300][sound], text[:300][sound], QUICK_AE)


def auc(head, features, labels, classes=slice(None)):
    scores = probabilities(head, features)[0].numpy()[:, classes]
    return macro_auc(labels.numpy().astype(int)[:, classes], scores)


def parts(features, rows):
    return [one[rows] for one in features]


def test_parameter_counts_are_the_papers():
    count = [sum(p.numel() for p in m.parameters()) for m in (CromAE(), RawNCook())]
    assert count == [1_181_952, 791_556]
    assert 2 * count[0] + count[1] == 3_155_460
    assert (CromSettings().epochs, CromSettings().lr, CromSettings().step_gamma) == (
        100,
        2e-4,
        0.95,
    )
    assert HeadSettings().step_gamma == STEP_GAMMA[0.3]


def test_the_autoencoder_learns_the_other_modality(memes):
    image, text, _ = memes
    model, history = fit_autoencoder(image, text, QUICK_AE)
    assert history[-1] < 0.5 * history[0]
    best = ((ridge(image, text)(image) - text) ** 2).mean()
    assert abs(((model(image) - text) ** 2).mean() - history[-1]) < 0.05
    assert history[-1] < 1.3 * best
    assert not any(p.requires_grad for p in model.parameters())


def test_ridge_is_scikit_learns(memes):
    from sklearn.linear_model import Ridge

    image, text, _ = memes
    expected = Ridge(alpha=3.0).fit(image.numpy(), text.numpy()).predict(image.numpy())
    np.testing.assert_allclose(ridge(image, text, 3.0)(image).numpy(), expected, atol=1e-5)


def test_codes(memes, autoencoders):
    image, text, _ = memes
    of_image, of_text = autoencoders
    z, _ = cook(autoencoders, image, text)
    torch.testing.assert_close(
        z[1] + z[2] - 2 * of_image.encoder.bias, (image[1] + image[2]) @ of_image.encoder.weight.T
    )
    activated = cook(autoencoders, image, text, "activated")
    slopes = of_image.activation.weight
    torch.testing.assert_close(activated[0], torch.where(z > 0, z, z * slopes))
    translated, residual = (cook(autoencoders, image, text, c) for c in ("translated", "residual"))
    torch.testing.assert_close(translated[0] + residual[0], text)
    torch.testing.assert_close(translated[1] + residual[1], image)
    torch.testing.assert_close(translated[1], of_text(text))
    with pytest.raises(ValueError, match=r"^code: "):
        cook(autoencoders, image, text, "raw")


@pytest.mark.parametrize("name", ["bce", "db_focal_paper", "ntr_bce_released"])
def test_the_head_learns_what_is_planted_in_both_modalities(memes, autoencoders, name):
    image, text, labels = memes
    features = [image, text, *cook(autoencoders, image, text)]
    train, test = slice(0, 600), slice(600, None)
    loss = make_loss(name, labels[train])
    head, history = fit_head(parts(features, train), labels[train], loss, QUICK)
    assert history[-1] < history[0]
    assert auc(head, parts(features, test), labels[test], slice(0, 3)) > 0.95


def test_fusion_reads_both_modalities(memes):
    image, text, labels = memes
    train, test = slice(0, 600), slice(600, None)
    found = {}
    for name, features in {"both": [image, text], "image": [image], "text": [text]}.items():
        head, _ = fit_head(parts(features, train), labels[train], bce, QUICK)
        found[name] = auc(head, parts(features, test), labels[test], slice(2, 3))
    assert found["both"] > 0.95
    assert max(found["image"], found["text"]) < found["both"] - 0.1


def test_the_residual_shows_what_raw_features_hide(memes, autoencoders):
    image, text, labels = memes
    train, test = slice(0, 300), slice(600, None)
    raw, residual = [image, text], [image, text, *cook(autoencoders, image, text, "residual")]
    found = []
    for features in (raw, residual):
        head, _ = fit_head(parts(features, train), labels[train], bce, QUICK)
        found.append(auc(head, parts(features, test), labels[test], slice(3, 4)))
    assert found[1] > max(0.9, found[0])


def test_shuffled_labels_teach_nothing(memes):
    image, text, labels = memes
    order = torch.tensor(np.random.default_rng(1).permutation(600))
    head, _ = fit_head([image[:600], text[:600]], labels[order], bce, replace(QUICK, epochs=8))
    assert auc(head, [image[600:], text[600:]], labels[600:]) < 0.6


def test_same_seed_same_weights_and_the_caller_s_generator_is_left_alone(memes):
    image, text, labels = memes
    few = replace(QUICK, epochs=2)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    heads = []
    for seed in (0, 0, 1):
        settings = replace(few, seed=seed)
        heads.append(fit_head([image, text], labels, bce, settings)[0].state_dict())
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(heads[0][k], heads[1][k]) for k in heads[0])
    assert not torch.equal(heads[0]["output.weight"], heads[2]["output.weight"])


def test_the_step_is_adam_with_a_falling_rate():
    module = torch.nn.Linear(1, 1, bias=False)
    reference = torch.nn.Linear(1, 1, bias=False)
    reference.load_state_dict(module.state_dict())
    x = torch.tensor([[1.0], [1.0]])  # equal rows: their order does not matter
    settings = Descent(epochs=3, batch=1, lr=0.1, step_gamma=0.5, weight_decay=0.01)
    descend(module, lambda rows: (module(x[rows]) ** 2).mean(), 2, settings)
    adam = torch.optim.Adam(reference.parameters(), lr=0.1, weight_decay=0.01)
    for epoch in range(3):
        adam.param_groups[0]["lr"] = 0.1 * 0.5**epoch
        for _ in range(2):
            adam.zero_grad()
            (reference(x[:1]) ** 2).mean().backward()
            adam.step()
    torch.testing.assert_close(module.weight, reference.weight)


@pytest.mark.parametrize("name", ["bce", "ntr_bce_released", "db_focal_paper"])
def test_a_seed_gives_the_same_head_whichever_seeds_train_beside_it(memes, name):
    image, text, labels = memes
    few, loss = replace(QUICK, epochs=3), make_loss(name, labels[:300])
    made = {}
    for seeds in ([5], [3, 5, 8]):
        head, history = fit_head([image[:300], text[:300]], labels[:300], loss, few, seeds)
        place = seeds.index(5)
        scores = probabilities(head, [image, text])[place]
        made[len(seeds)] = scores, torch.tensor([epoch[place] for epoch in history])
    torch.testing.assert_close(made[1], made[3], rtol=0, atol=1e-5)
    assert parameters_of_one(head) == sum(p.numel() for p in head.parameters()) / 3
    others = probabilities(head, [image, text])
    assert (others[0] - others[1]).abs().max() > 0.01


def test_a_stream_gives_every_row_once_an_order():
    stream = Stream(generators([0, 1]), 10, 4)
    first = [next(stream) for _ in range(2)]
    assert [batch.shape for batch in first] == [(2, 4)] * 2
    both = torch.cat(first, dim=1)
    assert all(len(set(row)) == 8 for row in both.tolist())
    assert both[0].tolist() != both[1].tolist()
    assert next(stream).shape == (2, 4)  # a new order: the two rows left over were dropped
    assert next(Stream(generators([0]), 3, 8)).shape == (1, 3)
    with pytest.raises(ValueError, match=r"^seeds: "):
        generators([])


def test_every_epoch_can_be_judged(memes):
    image, text, labels = memes
    seen = []
    fit_head(
        [image],
        labels,
        bce,
        replace(QUICK, epochs=2),
        after_epoch=lambda epoch, head: seen.append((epoch, head.training)),
    )
    assert seen == [(0, False), (1, False)]


def test_bad_input_is_named(memes):
    image, text, labels = memes
    with pytest.raises(ValueError, match=r"^features\[1\]: 5 rows, but 900 targets"):
        fit_head([image, text[:5]], labels, bce, QUICK)
    with pytest.raises(ValueError, match=r"^targets: must be 0 or 1"):
        fit_head([image], labels - 1, bce, QUICK)
    with pytest.raises(ValueError, match=r"epoch 1: the loss is nan"):
        fit_head([image * np.nan], labels, bce, QUICK)
    with pytest.raises(ValueError, match=r"^features: 900 rows of source, 5 of target"):
        fit_autoencoder(image, text[:5], QUICK_AE)
    for key in ("epochs", "batch", "lr", "weight_decay", "step_gamma", "dropout", "hidden"):
        with pytest.raises(ValueError, match=f"^{key}: "):
            replace(QUICK, **{key: -1}).validate()

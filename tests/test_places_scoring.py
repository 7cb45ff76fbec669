import numpy as np
import pytest

from lib.places import scoring


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def random_scores(rng, n=40, c=7, sharp=3.0):
    return scoring.softmax(sharp * rng.normal(size=(n, c)))


def test_class_features_equal_open_clip():
    open_clip = pytest.importorskip("open_clip")
    import torch

    torch.manual_seed(0)
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    vision = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}
    model = open_clip.CLIP(embed_dim=24, vision_cfg=vision, text_cfg=text).eval()
    tokenizer = open_clip.SimpleTokenizer()
    templates = ["a photo of a {}.", "a photo of the {}.", "a painting of a {}."]
    names = ["bridge", "bar", "outdoor church"]

    def encode(texts):
        with torch.no_grad():
            return model.encode_text(tokenizer(texts)).numpy()

    with torch.no_grad():
        fill = [t.format for t in templates]
        theirs = open_clip.build_zero_shot_classifier(model, tokenizer, names, fill, 2)
    ours = scoring.class_features(encode, [[t.format(n) for t in templates] for n in names])
    np.testing.assert_allclose(ours, theirs.numpy().T, atol=1e-6)
    plain_mean = np.stack([encode([t.format(n) for t in templates]).mean(axis=0) for n in names])
    plain_mean /= np.linalg.norm(plain_mean, axis=1, keepdims=True)
    assert np.abs(plain_mean - ours).max() > 1e-6


def test_equal_prompts_are_encoded_once():
    seen = []

    def encode(texts):
        seen.extend(texts)
        return np.eye(3)[: len(texts)]

    features = scoring.class_features(encode, [["a", "b"], ["b", "c"], ["a"]])
    assert seen == ["a", "b", "c"]
    np.testing.assert_allclose(features[0], [0.5**0.5, 0.5**0.5, 0])
    with pytest.raises(ValueError, match="prompts: class 1 has none"):
        scoring.class_features(encode, [["a"], []])


def test_softmax_is_stable_and_scaled(rng):
    image, classes = rng.normal(size=(5, 8)), rng.normal(size=(3, 8))
    p = scoring.softmax_scores(image, classes)
    cosine = (image / np.linalg.norm(image, axis=1)[:, None]) @ (
        classes / np.linalg.norm(classes, axis=1)[:, None]
    ).T
    expected = np.exp(100 * cosine) / np.exp(100 * cosine).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(p, expected)
    assert np.isfinite(scoring.softmax(np.array([[1e4, -1e4], [-1e4, -1e4]]))).all()
    # The scale matters: on bare cosines 205 classes can never get far from 1/205.
    flat = scoring.softmax_scores(rng.normal(size=(50, 64)), rng.normal(size=(205, 64)), 1.0)
    assert flat.max() < np.e**2 / 205


def test_rows_without_direction_are_named(rng):
    image = rng.normal(size=(4, 8))
    image[2] = np.nan
    with pytest.raises(ValueError, match=r"features: row 2 is zero or not finite \(1 such rows\)"):
        scoring.softmax_scores(image, rng.normal(size=(3, 8)))


@pytest.mark.parametrize("pool", [scoring.linear_pool, scoring.log_pool])
def test_pools_are_distributions_with_the_right_ends(pool, rng):
    p_img, p_txt = random_scores(rng), random_scores(rng)
    np.testing.assert_allclose(pool(p_img, p_txt, 1.0), p_img, atol=1e-12)
    np.testing.assert_allclose(pool(p_img, p_txt, 0.0), p_txt, atol=1e-12)
    np.testing.assert_allclose(pool(p_img, p_txt, 0.3).sum(axis=1), 1)
    with pytest.raises(ValueError, match=r"w_img 1.2: must lie in \[0, 1\]"):
        pool(p_img, p_txt, 1.2)
    with pytest.raises(ValueError, match="differ"):
        pool(p_img, p_txt[:, :3], 0.5)


def test_pools_by_hand():
    p_img, p_txt = np.array([[0.5, 0.5, 0.0]]), np.array([[0.9, 0.1, 0.0]])
    np.testing.assert_allclose(scoring.linear_pool(p_img, p_txt), [[0.58, 0.42, 0]])
    product = np.sqrt([0.45, 0.05])
    pooled = scoring.log_pool(p_img, p_txt, 0.5)[0]
    np.testing.assert_allclose(pooled[:2], product / product.sum())
    assert pooled[2] < 1e-100


def test_conditional_pool_lets_in_only_what_meets_the_condition():
    p_img = np.array([[0.6, 0.4, 0.0], [0.9, 0.1, 0.0]])
    p_txt = np.array([[0.2, 0.7, 0.1], [0.3, 0.3, 0.4]])
    cosine = np.array([0.1, 0.3])
    cases = {
        "confidence": (0.5, [True, False]),
        "image_confidence": (0.7, [True, False]),
        "margin": (0.3, [True, False]),
        "cosine": (0.2, [False, True]),
    }
    assert set(cases) == set(scoring.CONDITIONS)
    for condition, (threshold, let_in) in cases.items():
        mask = scoring.caption_counts(p_img, p_txt, condition, threshold, cosine)
        assert mask.tolist() == let_in, condition
        p = scoring.conditional_pool(p_img, p_txt, condition, threshold, 0.8, cosine)
        pooled = scoring.linear_pool(p_img, p_txt, 0.8)
        np.testing.assert_array_equal(p, np.where(mask[:, None], pooled, p_img))
    with pytest.raises(ValueError, match="condition 'mood': choose one of confidence"):
        scoring.conditional_pool(p_img, p_txt, "mood", 0.5)
    with pytest.raises(ValueError, match="condition 'cosine' needs 2 values"):
        scoring.conditional_pool(p_img, p_txt, "cosine", 0.5)


def test_paired_cosine(rng):
    image = rng.normal(size=(3, 5))
    np.testing.assert_allclose(scoring.paired_cosine(image, 2 * image), 1)
    np.testing.assert_allclose(scoring.paired_cosine(image, -image), -1)


def planted(rng, n=300, c=5):
    """Images right on half of the posts, captions right on three quarters, both sharp."""
    y = rng.integers(c, size=n)
    noise = [np.where(rng.random(n) < share, y, rng.integers(c, size=n)) for share in (0.4, 0.8)]
    return [scoring.softmax(3 * np.eye(c)[guess] + rng.normal(size=(n, c))) for guess in noise], y


def test_cv_weights_find_the_better_side_and_keep_groups_whole(rng):
    (p_img, p_txt), y = planted(rng)
    groups = np.repeat(np.arange(100), 3)
    found = scoring.cv_weights(p_img, p_txt, y, groups, seed=1)
    assert max(found.weights) < 0.5
    accuracy = (found.p.argmax(axis=1) == y).mean()
    assert accuracy >= (p_txt.argmax(axis=1) == y).mean() > (p_img.argmax(axis=1) == y).mean()
    folds = {group: set(found.fold[groups == group]) for group in range(100)}
    assert all(len(of_group) == 1 for of_group in folds.values())
    again = scoring.cv_weights(p_img, p_txt, y, groups, seed=1)
    assert again.p.tobytes() == found.p.tobytes()
    assert len(found.grid) == 5 * 21


def test_cv_weights_do_not_leak(rng):
    """What a fold's own labels say must not reach the weight it is scored with."""
    (p_img, p_txt), y = planted(rng)
    groups = np.arange(len(y))
    found = scoring.cv_weights(p_img, p_txt, y, groups, seed=2)
    spoilt = y.copy()
    spoilt[found.fold == 0] = -1
    again = scoring.cv_weights(p_img, p_txt, spoilt, groups, seed=2)
    assert again.weights[0] == found.weights[0]
    np.testing.assert_array_equal(again.p[found.fold == 0], found.p[found.fold == 0])


def test_cv_weights_ties_go_to_the_image(rng):
    p = random_scores(rng)
    y = p.argmax(axis=1)
    assert scoring.cv_weights(p, p, y, np.arange(len(y))).weights == [1.0] * 5
    with pytest.raises(ValueError, match="folds 5: only 2 groups to share out"):
        scoring.cv_weights(p, p, y, np.arange(len(y)) % 2)


def test_reject_class_takes_the_mass_of_other_prompts(rng):
    classes, others = rng.normal(size=(4, 6)), rng.normal(size=(3, 6))
    image = np.vstack([classes[1], others[2]])
    p = scoring.reject_scores(image, classes, others, 3.0)  # soft, so that every prompt has mass
    assert p.shape == (2, 5)
    assert p.argmax(axis=1).tolist() == [1, 4]
    np.testing.assert_allclose(p.sum(axis=1), 1)
    everything = scoring.softmax_scores(image, np.vstack([classes, others]), 3.0)
    np.testing.assert_allclose(p[:, 4], everything[:, 4:].sum(axis=1))


def test_merging_undoes_dilution():
    p = np.array([[0.3, 0.4, 0.3]])
    merged, names = scoring.merge_labels(p, ["art", "bar", "art"])
    np.testing.assert_allclose(merged, [[0.6, 0.4]])
    assert names == ["art", "bar"]
    assert scoring.top(p, list("xyz"))["y_pred"][0] == "y"
    assert scoring.top(merged, names)["y_pred"][0] == "art"
    with pytest.raises(ValueError, match="groups: 2 names for 3 columns"):
        scoring.merge_labels(p, ["a", "b"])


def test_top_reports_best_runner_up_margin_entropy():
    frame = scoring.top(np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]]), ["a", "b", "c"])
    assert frame.columns.tolist() == ["y_pred", "score", "second", "margin", "entropy"]
    assert frame["y_pred"].tolist() == ["a", "a"]
    assert frame["second"].tolist() == ["b", "b"]
    np.testing.assert_allclose(frame["margin"], [0.2, 1.0])
    np.testing.assert_allclose(frame["entropy"], [1.0296530140645737, 0.0], atol=1e-12)
    with pytest.raises(ValueError, match="names: 2 for 3 columns"):
        scoring.top(np.ones((1, 3)) / 3, ["a", "b"])

"""The scene composer and the photographs of its scenes."""

import numpy as np
import pytest

from lib.sample import photo, pictograms, scenery, scenes


def _bytes(scene):
    return scenes.compose(scene, 150).tobytes()


@pytest.mark.parametrize("setting", list(scenery.settings()))
def test_every_setting_paints_in_every_light(setting):
    for light in scenery.lights(setting):
        scene = scenes.Scene(("🏠", "🐕"), setting, "twemoji", 3, light)
        picture = scenes.compose(scene, 120)
        assert picture.mode == "RGB"
        assert picture.size == (120, 120)
        assert np.asarray(picture).std() > 5


def test_same_scene_same_bytes_and_other_seed_other_bytes():
    scene = scenes.Scene(("🏥", "🌳", "🚶"), "street", "openmoji", 7, "dusk")
    other = scenes.Scene(("🏥", "🌳", "🚶"), "street", "openmoji", 8, "dusk")
    assert _bytes(scene) == _bytes(scene)
    assert _bytes(scene) != _bytes(other)


def test_artists_draw_the_same_scene_differently():
    pair = [scenes.Scene(("🏥",), "street", artist, 7, "day") for artist in pictograms.ARTISTS]
    assert _bytes(pair[0]) != _bytes(pair[1])


def test_random_scene_suits_its_subjects():
    rng = np.random.default_rng(0)
    water = {scenes.random_scene(rng, ("⛵",), "twemoji").setting for _ in range(30)}
    assert water <= {"harbour", "lake", "ocean"}
    assert len(water) > 1
    table = {scenes.random_scene(rng, ("🍕",), "twemoji").setting for _ in range(30)}
    assert not table & {"ocean", "street", "snow"}


def test_any_four_pictograms_compose():
    rng = np.random.default_rng(4)
    emoji = pictograms.catalogue()["emoji"].to_numpy()
    for _ in range(40):
        subjects = tuple(rng.choice(emoji, int(rng.integers(1, 5)), replace=False).tolist())
        scenes.compose(scenes.random_scene(rng, subjects, "twemoji"), 120)


def test_things_keep_their_order_of_size():
    traits = [pictograms.traits(emoji) for emoji in ("🏢", "🚶", "🐕")]
    scene = scenes.Scene(("🏢", "🚶", "🐕"), "street", "twemoji", 0, "day")
    for seed in range(20):
        items = scenes._sized(scene, traits, np.random.default_rng(seed), 300)
        heights = [item.height for item in items]
        assert heights[0] > heights[1] >= heights[2]


def test_degrade_keeps_the_size_and_depends_on_the_seed():
    image = scenes.compose(scenes.Scene(("🏥",), "street", "twemoji", 1, "day"), 120)
    spoilt = [photo.degrade(image, np.random.default_rng(seed), 0.8) for seed in (1, 1, 2)]
    assert spoilt[0].size == image.size
    assert spoilt[0].mode == "RGB"
    assert spoilt[0].tobytes() == spoilt[1].tobytes() != spoilt[2].tobytes()


def test_degrade_is_stronger_with_strength():
    image = scenes.compose(scenes.Scene(("🏥",), "street", "twemoji", 1, "day"), 120)
    before = np.asarray(image, float)

    def change(strength):
        rngs = [np.random.default_rng(seed) for seed in range(20)]
        made = [np.asarray(photo.degrade(image, rng, strength), float) for rng in rngs]
        return np.mean([np.abs(picture - before).mean() for picture in made])

    assert change(0.0) == 0.0
    assert change(0.2) < change(1.0)
    with pytest.raises(ValueError, match=r"strength: 1\.5"):
        photo.degrade(image, np.random.default_rng(0), 1.5)

"""The pictograms: two artist teams, one catalogue, cropped drawings."""

import numpy as np
import pytest

from lib.sample import pictograms, scenery


def test_catalogue_is_large_and_unique():
    table = pictograms.catalogue()
    assert list(table.columns) == ["emoji", "hexcode", "name", "group", "subgroup"]
    assert len(table) > 1200
    assert table["emoji"].is_unique
    assert table["hexcode"].is_unique
    assert not {"Flags", "Component"} & set(table["group"])


def test_no_insulting_or_skin_tone_pictogram():
    emoji = "".join(pictograms.catalogue()["emoji"])
    assert not set(emoji) & set("🖕💩🔞🔫💣🏻🏼🏽🏾🏿")


def test_both_artists_draw_every_pictogram():
    for artist in pictograms.ARTISTS:
        for emoji in pictograms.catalogue()["emoji"]:
            pictograms._path(emoji, artist)  # KeyError where there is no drawing


@pytest.mark.parametrize("artist", pictograms.ARTISTS)
@pytest.mark.parametrize("emoji", ["🏥", "🌉", "🐕", "✈️", "🧑‍🎨"])
def test_drawing_is_cropped_to_its_outline(emoji, artist):
    picture = pictograms.draw(emoji, artist, 96)
    assert picture.mode == "RGBA"
    assert max(picture.size) == 96
    alpha = np.asarray(picture)[..., 3]
    edges = (alpha[:2].max(), alpha[-2:].max(), alpha[:, :2].max(), alpha[:, -2:].max())
    assert min(edges) > 0, "an empty border was left"


def test_a_drawing_is_rasterised_once_for_all_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(pictograms.paths, "scratch", lambda *parts: tmp_path)
    fresh = pictograms.outline.__wrapped__("🐕", "twemoji")
    monkeypatch.setattr(pictograms, "_rasterise", None)
    again = pictograms.outline.__wrapped__("🐕", "twemoji")
    assert again.mode == fresh.mode == "RGBA"
    assert again.tobytes() == fresh.tobytes()
    assert len(list(tmp_path.iterdir())) == 1


def test_artists_differ():
    first, second = (pictograms.outline("🏥", artist) for artist in pictograms.ARTISTS)
    assert (
        np.asarray(first.resize((32, 32))).tobytes()
        != np.asarray(second.resize((32, 32))).tobytes()
    )


def test_unknown_artist_and_emoji_are_named():
    with pytest.raises(KeyError, match="artist 'nobody' is unknown"):
        pictograms.draw("🏥", "nobody", 32)
    with pytest.raises(KeyError, match="twemoji draws no emoji"):
        pictograms.draw("\U0001fbff", "twemoji", 32)


def test_every_pictogram_has_a_size_and_a_home():
    homes = {home for row in scenery.settings().values() for home in row["habitats"].split()}
    for emoji in pictograms.catalogue()["emoji"]:
        traits = pictograms.traits(emoji)
        assert traits.metres > 0
        assert set(traits.habitats) & homes, emoji


def test_sizes_make_sense():
    order = [pictograms.traits(emoji).metres for emoji in "🗼🌳🚌🚶🐕☕"]
    assert order == sorted(order, reverse=True)

"""Names, phrases and captions."""

import numpy as np
import pytest

from lib.sample import scenes, words
from lib.sample.instacities import captions
from lib.sample.instacities.captions import Topic

BRIDGE = Topic("/b/bridge", ("old bridge",), ("across the river",), ("🌉", "🐕"))


def test_names_in_several_languages():
    assert words.name("🏥") == "hospital"
    assert words.name("🏥", "de").lower() == "krankenhaus"
    assert words.name("🏥", "fr") == "hôpital"
    with pytest.raises(KeyError, match="no en name"):
        words.name("not an emoji")


@pytest.mark.parametrize(
    ("word", "count", "expected"),
    [
        ("owl", 1, "an owl"),
        ("hourglass", 1, "an hourglass"),
        ("unicorn", 1, "a unicorn"),
        ("French fries", 1, "French fries"),
        ("glasses", 1, "glasses"),
        ("dog", 2, "two dogs"),
        ("person walking", 3, "three people walking"),
        ("glass of milk", 2, "two glasses of milk"),
        ("cherry", 2, "two cherries"),
    ],
)
def test_articles_and_plurals(word, count, expected):
    assert words.counted(word, count) == expected


def test_phrases_vary_and_name_something_in_the_picture():
    rng = np.random.default_rng(0)
    scene = scenes.Scene(("🌉", "🐕", "🐕"), "riverside", "twemoji", 1, "night")
    known = {noun.lower() for e in scene.subjects for noun in words.synonyms(e)}
    known |= {words.plural(noun) for noun in known} | {n.replace(" ", "") for n in known}
    phrases = [words.phrase(rng, scene) for _ in range(200)]
    assert len(set(phrases)) > 120
    assert all(any(noun in phrase.lower() for noun in known) for phrase in phrases)
    assert any("two dogs" in phrase for phrase in phrases)
    assert not any("{" in phrase for phrase in phrases)


@pytest.mark.parametrize("kind", captions.KINDS)
def test_captions_are_deterministic_and_complete(kind):
    made = [captions.caption(np.random.default_rng(s), kind, BRIDGE, 0.8) for s in range(60)]
    again = [captions.caption(np.random.default_rng(s), kind, BRIDGE, 0.8) for s in range(60)]
    assert made == again
    assert not any("{" in note.text for note in made)


def test_useful_captions_name_the_place_and_useless_ones_do_not():
    rng = np.random.default_rng(1)
    useful = [captions.caption(rng, "useful", BRIDGE, 0.0) for _ in range(80)]
    assert all("bridge" in note.text.lower() for note in useful)
    assert {note.evidence for note in useful} == {"named /b/bridge"}
    useless = [captions.caption(rng, "useless", BRIDGE, 1.0) for _ in range(80)]
    assert not any("bridge" in note.text.lower() for note in useless)
    assert {note.evidence for note in useless} == {""}


def test_noise_level_zero_changes_no_letter():
    rng = np.random.default_rng(2)
    text = "at the old bridge with friends"
    assert all(captions.noisy(rng, text, 0.0).lower() == text for _ in range(50))
    assert len({captions.noisy(rng, text, 1.0) for _ in range(50)}) > 30

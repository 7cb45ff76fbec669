"""What is shown of memes: slurs masked, real pictures hidden, counts that add up."""

import codecs
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib.data.readers.mami import LABELS, TYPES
from lib.memes.corpus import cloud, counts, gallery
from lib.memes.corpus.masking import mask, slurs
from lib.memes.corpus.segmenting import Segmenter

WORD = codecs.decode("ovgpu", "rot13")  # a slur of the list, not to be read by accident


@pytest.fixture
def pairs(tmp_path) -> pd.DataFrame:
    sizes = [(120, 60), (60, 120), (80, 80), (100, 70)]
    for number, size in enumerate(sizes):
        Image.effect_noise(size, 80).convert("RGB").save(tmp_path / f"{number}.jpg")
    flags = np.array([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0], [1, 0, 1, 0, 0], [-1] * 5])
    texts = ["one rustbucket here", "two words", "robots are great and robots sing", "x"]
    table = pd.DataFrame({
        "id": list("abcd"), "image": [f"{n}.jpg" for n in range(4)], "text": texts,
        "split": ["train", "train", "train", "test"],
    })  # fmt: skip
    return table.assign(**dict(zip(LABELS, flags.T, strict=True)))


@pytest.mark.parametrize(
    "spelling",
    [WORD, WORD.upper(), WORD + "es", WORD.replace("i", "1"), WORD.replace("i", "*"),
     WORD.replace("i", "iiii"), WORD + "ing", WORD[0] + "*" * 2 + WORD[-2:], "x" + WORD + "x"],
)  # fmt: skip
def test_a_slur_is_found_in_its_spellings(spelling):
    assert mask(f"a {spelling}!") == f"a {spelling[0]}{'*' * (len(spelling) - 1)}!"


@pytest.mark.parametrize(
    "word",
    ["Scunthorpe", "therapist", "shoe", "title", "tramway", "pitch", "5", "a*b", "***", "@home",
     "robots", "classic", "great", "spicy", "prickly", "fagade"],
)  # fmt: skip
def test_common_words_stay(word):
    assert mask(word) == word


def test_the_list_is_not_readable_by_accident():
    text = (Path(cloud.__file__).parent / "data" / "slurs.csv").read_text()
    assert len(slurs()) > 30
    assert not [slur for slur in slurs() if slur in text.split("\n")]
    assert {"rustbucket", "tinhead", "scrapheap"} < slurs()


def test_the_word_cloud_counts_no_piece_of_a_contraction():
    words = cloud.frequencies(["Don't! It isn't a robot, you've seen", "they wouldn't don robots"])
    assert list(words["word"]) == ["robot", "robots", "seen"]


def test_the_word_cloud_masks_slurs_and_is_the_same_again(pairs):
    words = cloud.frequencies(pairs["text"])
    assert words["word"].tolist()[:2] == ["great", "one"]
    assert "rustbucket" not in set(words["word"])
    assert "rustbucket" in set(cloud.frequencies(pairs["text"], show_content=True)["word"])
    pixels = [np.asarray(cloud.draw(words).axes[0].images[0].get_array()) for _ in range(2)]
    assert (pixels[0] == pixels[1]).all()
    assert pixels[0].min() < 255


def test_counts_of_labels(pairs):
    table = counts.categories(pairs).set_index(["split", "label"])
    assert table.loc[("train", "misogynous"), "memes"] == 2
    assert table.loc[("train", "stereotype"), "share"] == pytest.approx(2 / 3)
    assert table.loc["test"]["memes"].sum() == 0  # not labelled: no negative counts
    both = counts.together(pairs).set_index(["type", "other"])
    assert both.loc[("shaming", "stereotype"), "memes"] == 1
    assert both.loc[("stereotype", "shaming"), "share"] == 0.5
    assert both.loc[("stereotype", "stereotype"), "memes"] == 2
    fig = counts.draw_together({"train": both.reset_index()})
    assert len(fig.axes[0].texts) == len(TYPES) ** 2


def test_words_of_a_text_and_their_histogram(pairs):
    words = counts.lengths(pairs.assign(original=pairs["text"] + " more"))
    assert words["words"].tolist() == [4, 3, 7, 2]
    bins = counts.histogram(words, width=2, last=6)
    assert bins.groupby("split")["share"].sum().tolist() == pytest.approx([1, 1])
    assert bins[bins["split"] == "train"]["from"].tolist() == [0, 2, 4, 6]
    assert bins.iloc[3]["share"] == pytest.approx(1 / 3)  # 7 words, in the last bin
    assert "median 4 words" in counts.draw_lengths(words, bins).axes[0].texts[0].get_text()


def test_the_gallery_shows_shapes_from_wide_to_tall(pairs, tmp_path):
    table = gallery.sizes(pairs, tmp_path, count=3)
    assert table["id"].tolist() == ["a", "c", "b"]
    assert table.loc[0, ["width", "height"]].tolist() == [120, 60]
    fig = gallery.draw_sizes(table, tmp_path, show_content=True)
    assert [ax.texts[0].get_text() for ax in fig.axes] == ["120 × 60", "80 × 80", "60 × 120"]
    hidden = gallery.draw_sizes(table, tmp_path)
    assert _roughness(hidden) < 0.3 * _roughness(fig)


def test_short_texts_are_shown_only_where_they_may_be(pairs, tmp_path):
    short = gallery.short_texts(pairs, 3)
    assert short["words"].tolist() == [1, 2, 3]
    hidden, data = gallery.sheet(short, pairs, tmp_path)
    assert data["text"].eq("").all()
    shown, data = gallery.sheet(short, pairs, tmp_path, show_content=True)
    assert data["text"].tolist() == ["x", "two words", "one r********* here"]
    assert data["labels"].tolist() == ["not labelled", "none", "misogynous, shaming, stereotype"]
    assert _roughness(hidden) < 0.3 * _roughness(shown)


def test_captions_of_tall_memes_end_above_the_row_below(tmp_path):
    memes = pd.DataFrame(1, index=range(12), columns=list(LABELS))
    memes = memes.assign(id=[f"m{i}" for i in range(12)], image="tall.png", text="many words " * 9)
    Image.new("RGB", (60, 110)).save(tmp_path / "tall.png")
    fig, _ = gallery.sheet(memes[["id"]], memes, tmp_path, show_content=True)
    fig.draw_without_rendering()
    below = fig.axes[6].get_window_extent().y1
    assert all(ax.texts[0].get_window_extent().y0 >= below for ax in fig.axes[:6])


def _roughness(fig) -> float:
    """Mean difference of neighbouring pixels of the first picture."""
    return float(
        np.abs(np.diff(np.asarray(fig.axes[0].images[0].get_array(), float), axis=1)).mean()
    )


def test_glued_words_are_parted_by_the_words_of_other_texts():
    segment = Segmenter(["what a robot is good for", "robots are good", "all that it is"])
    assert segment.part("allthat arobot isgoodfor") == "all that a robot is good for"
    assert segment.part("qqqq robot") == "qqqq robot"
    assert segment.part("robotqqqq is") == "robot qqqq is"
    with pytest.raises(ValueError, match=r"^texts: "):
        Segmenter([" "])

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from lib import figures
from lib.retrieval.evaluation import judge, run_frame, truth_frame
from lib.retrieval.explorer import Explorer, Gallery, System, page, render
from lib.retrieval.explorer import gallery as galleries
from lib.retrieval.explorer.gallery import expected_rank
from lib.retrieval.topk import top_k

DIM, PICTURES = 16, 12
TITLES = {"Fire in the old town": 3, "Two dogs <rescued>": 5, "A quiet day": 0}


def encoder(shift):
    """Text -> feature: the title's own picture, `shift` of the way off towards another."""
    base = features()

    def encode(text):
        row = {title.casefold(): row for title, row in TITLES.items()}.get(text.casefold(), 7)
        return (1 - shift) * base[row] + shift * base[(row + 1) % PICTURES]

    return encode


def features():
    """Nearly orthogonal rows, so that a text is near to the two pictures that it mixes."""
    noise = np.random.default_rng(0).normal(size=(PICTURES, DIM))
    return (np.eye(PICTURES, DIM) + 0.02 * noise).astype(np.float32)


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(1)
    for i in range(PICTURES):
        noise = rng.integers(0, 256, (64, 80, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{i}.png")
    return tmp_path


def gallery(root, systems=None, **kwargs):
    systems = systems or {
        "zero-shot": (encoder(0.7), features(), None),
        "tuned": System(encoder(0.2), 3 * features()),
    }
    files = [f"{i}.png" for i in range(PICTURES)]
    return Gallery(systems, files, TITLES, root, **({"shown": 4} | kwargs))


class Reader(HTMLParser):
    """Counts tags and classes, and checks that every opened tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.classes, self.text = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.classes += dict(attrs).get("class", "").split()
        if tag not in ("img", "circle", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] != "style":
            self.text.append(data)


def test_answer_ranks_as_the_evaluation_does(root):
    shop = gallery(root)
    answer = shop.ask("Fire in the old town")
    assert answer.right == 3
    queries = np.stack([encoder(0.7)("Fire in the old town")])
    found = top_k(queries, features(), PICTURES)
    names = [str(i) for i in range(PICTURES)]
    judged = judge(run_frame(found, ["q"], names), truth_frame(["q"], ["3"]))
    first, second = answer.hits
    assert first.rank == judged["rank"].iloc[0] == 2
    assert list(first.ids) == found.ids[0, :4].tolist()
    np.testing.assert_allclose(first.scores, found.scores[0, :4], atol=1e-6)
    assert second.rank == 1
    assert second.ids[0] == 3


def test_moves_are_places_against_the_first_system(root):
    answer = gallery(root, shown=PICTURES).ask("Fire in the old town")
    first, second = answer.hits
    assert set(first.moved) == {None}
    before = {row: place for place, row in enumerate(first.ids)}
    now = {row: place for place, row in enumerate(second.ids)}
    assert second.moved == tuple(before[row] - now[row] for row in second.ids)
    assert second.moved[0] == 1
    assert sum(second.moved) == 0


def test_bias_takes_a_hub_down(root):
    hub = np.zeros(PICTURES)
    hub[4] = 2.0
    systems = {"plain": (encoder(0.7), features()), "debiased": (encoder(0.7), features(), hub)}
    plain, debiased = gallery(root, systems, shown=PICTURES).ask("Fire in the old town").hits
    assert plain.ids[0] == 4
    assert debiased.ids[-1] == 4
    assert debiased.ids[0] == 3
    assert debiased.scores[-1] == pytest.approx(plain.scores[0] - 2, abs=1e-5)


def test_expected_rank_shares_places():
    assert expected_rank(np.array([3.0, 2.0, 2.0, 1.0]), 2) == 2.5
    assert expected_rank(np.array([3.0, 2.0, 2.0 + 1e-8, 1.0]), 1) == 2.5
    assert expected_rank(np.array([3.0, -np.inf]), 1) is None


def test_titles_are_known_by_their_words(root):
    shop = gallery(root)
    assert shop.ask("  fire IN the  old town ").right == 3
    assert shop.ask("Fire in the new town").right is None
    assert shop.ask("   ").hits == ()
    assert shop.ask("anything").hits[0].rank is None


def test_picture_without_features_is_never_found(root):
    images = features()
    images[3] = np.nan
    answer = gallery(root, {"only": (encoder(0), images)}, shown=PICTURES).ask("A quiet day")
    assert len(answer.hits[0].ids) == PICTURES - 1
    assert 3 not in answer.hits[0].ids
    lost = gallery(root, {"only": (lambda text: np.ones(DIM), images)})
    assert lost.ask("Fire in the old town").hits[0].rank is None


def test_a_text_is_encoded_once_for_systems_that_share_the_encoder(root):
    calls = []

    def encode(text):
        calls.append(text)
        return np.ones(DIM)

    systems = {"plain": (encode, features()), "biased": (encode, features(), np.zeros(PICTURES))}
    gallery(root, systems).ask("A quiet day")
    assert calls == ["A quiet day"]


@pytest.mark.parametrize(
    ("systems", "message"),
    [
        ({}, "systems: at least one is needed"),
        ({"zs": (encoder(0), features()[:3])}, "zs: features of 3 pictures for 12"),
        ({"ds": (encoder(0), features(), np.zeros(3))}, "ds: the bias needs one number a picture"),
    ],
)
def test_parts_that_do_not_fit_are_named(root, systems, message):
    with pytest.raises(ValueError, match=message):
        Gallery(systems, [f"{i}.png" for i in range(PICTURES)], TITLES, root)


def test_wrong_title_row_and_width_are_named(root):
    files = [f"{i}.png" for i in range(PICTURES)]
    with pytest.raises(ValueError, match="titles: 'x' belongs to row 12, which is no picture"):
        Gallery({"a": (encoder(0), features())}, files, {"x": 12}, root)
    odd = gallery(root, {"odd": (lambda text: np.ones(3), features())})
    with pytest.raises(ValueError, match="odd: a text has 3 numbers, a picture 16"):
        odd.ask("anything")


def test_page_holds_every_system_and_frames_the_right_picture(root):
    shop = gallery(root)
    drawn = render(shop, shop.ask("Two dogs <rescued>"))
    read = Reader(drawn)
    assert read.tags.count("img") == 2 * 4 + 1
    assert read.tags.count("h4") == 2
    # In the head, and where each of the systems lists it.
    listed = sum(5 in hits.ids for hits in shop.ask("Two dogs <rescued>").hits)
    assert read.classes.count("pl-right") == 1 + listed
    assert "Two dogs &lt;rescued&gt;" in drawn
    assert "rank 1 ▲" in "".join(read.text)
    assert page.GAIN in drawn
    assert drawn == render(gallery(root), gallery(root).ask("Two dogs <rescued>"))
    assert not re.search(r"https?:", drawn)


def test_page_of_an_unknown_text_has_no_ranks(root):
    shop = gallery(root)
    read = Reader(render(shop, shop.ask("something else")))
    assert "svg" not in read.tags
    assert read.classes.count("pl-right") == 0
    assert "Type a title, or pick one." in render(shop, shop.ask(""))


def test_ranks_are_drawn_lower_the_worse_and_worse_ones_in_the_colour_of_a_loss(root):
    systems = {"good": (encoder(0.2), features()), "bad": (encoder(0.7), features())}
    shop = gallery(root, systems)
    drawn = render(shop, shop.ask("Fire in the old town"))
    heights = [float(y) for y in re.findall(r'<circle cx="[^"]+" cy="([\d.]+)"', drawn)]
    assert heights == [22.0, 78.0]
    assert "rank 2 ▼" in drawn
    assert page.LOSS in drawn
    assert 'aria-label="Rank of the right picture. good: 1, bad: 2"' in drawn


def test_pictures_are_blurred_unless_shown(root, monkeypatch):
    blurred = []
    blur = figures.blur
    monkeypatch.setattr(figures, "blur", lambda image: blurred.append(1) or blur(image))
    hidden = gallery(root).thumb(0)
    assert blurred == [1]
    shown = gallery(root, show_content=True).thumb(0)
    assert blurred == [1]
    assert len(shown) > 2 * len(hidden)  # noise packs badly, its blur well


def test_unreadable_picture_is_said(root):
    (root / "3.png").write_bytes(b"broken")
    shop = gallery(root)
    drawn = render(shop, shop.ask("Fire in the old town"))
    assert "3.png: cannot be read" in drawn
    Reader(drawn)


def test_thumbs_do_not_pile_up(root, monkeypatch):
    monkeypatch.setattr(galleries, "KEPT_THUMBS", 3)
    shop = gallery(root)
    for row in range(PICTURES):
        shop.thumb(row)
    assert len(shop.thumbs) <= 3


def test_widget_searches_steps_and_counts(root):
    shop = gallery(root)
    view = Explorer(shop, start="A quiet day")
    assert view.answer.right == 0
    assert view.box.value == "A quiet day"
    assert Reader(view.output.value).tags.count("img") == 9
    view.next.click()
    assert view.answer.text == "Fire in the old town"
    assert view.box.value == "Fire in the old town"
    view.count.value = 2
    assert Reader(view.output.value).tags.count("img") == 5
    view.box.value = "an unknown title"
    assert view.answer.right is None
    assert view.message.value == "not a test title: no picture counts as right"
    view.next.click()
    assert view.answer.text == "Fire in the old town"
    assert view.message.value == ""
    assert view.box.options == tuple(TITLES)
    assert "Type a title" in Explorer(shop).output.value

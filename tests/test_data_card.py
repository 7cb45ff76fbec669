"""The data card: its numbers add up, it is redrawn from what was saved, it finds the planted."""

import json

import pandas as pd
import pytest
from PIL import Image

from lib import figures
from lib.data.card import (
    breakdown,
    build_card,
    card_table,
    figure_data,
    label_counts,
    planted_found,
    planted_table,
    read_card,
    sweep_distance,
    write_card,
)
from lib.data.card.slices import by_slice, shown
from lib.data.drops import Drops
from lib.data.groups import GroupSettings, assign_groups
from lib.data.panels import contact_sheet, draw_card, preview
from lib.data.readers import DatasetSettings, Reading
from lib.data.splits import spans

N = 40


def reading() -> Reading:
    ids = [f"{100 + i}" for i in range(N)]
    pairs = pd.DataFrame(
        {
            "id": ids,
            "image": [f"img/{name}.jpg" for name in ids],
            "text": ["word " * (i % 7) for i in range(N)],
            "lang": "en",
            "split": [["train", "test", "test", "validation"][i % 4] for i in range(N)],
            "date": "",
            "source": "newyork",
            "group": ids,
            "label": [["/b/bridge", "none", ""][i % 3] for i in range(N)],
        },
        dtype="str",
    )
    pairs["text"] = pairs["text"].str.strip()
    hashes = [(i + 1) * 0x9E3779B97F4A7C15 % 2**63 for i in range(N)]
    hashes[5] = hashes[4]
    facts = pd.DataFrame(
        {"id": ids, "width": 300, "height": 200, "hash": hashes, "encoding": "utf-8"}
    )
    drops = Drops()
    drops.drop("7", "img/7.jpg", "caption without image")
    drops.keep("100", "captions/100.txt", "empty caption")
    return Reading(pairs, facts, drops)


@pytest.fixture
def made(tmp_path):
    """A card of a sample corpus that planted two copies, one of which can be found."""
    planted = {
        "reposts": {"105": "104", "120": "119", "999": "100"},
        "unreadable_files": {"7": "missing", "8": "empty"},
        "classes": {f"c{i}": i for i in range(9)},
        "licences": {"drawings": "CC BY-SA 4.0"},
    }
    (tmp_path / "card.json").write_text(json.dumps(planted))
    read = reading()
    grouping = assign_groups(read.pairs["id"], read.facts["hash"], read.pairs["text"])
    read.pairs["group"] = grouping.group
    return build_card("toy", tmp_path, read, grouping, DatasetSettings()), read


def test_numbers_add_up(made):
    card, _ = made
    assert card["posts"] == sum(card["splits"].values()) == sum(card["words"]["counts"]) == N
    assert sum(row["count"] for row in card["labels"]) == N
    assert sum(row["count"] for row in card["sizes"]) == N
    assert card["group_sizes"][:2] == [{"size": "1", "groups": 38}, {"size": "2", "groups": 1}]
    assert (card["dropped"], card["empty_texts"]) == (1, 6)
    assert card["words"]["median"] == 3


def test_written_and_read_back_it_draws_the_same_figure(made, tmp_path):
    card, read = made
    write_card(card, read, tmp_path / "out")
    again = read_card(tmp_path / "out")
    assert again == card
    figures.save(draw_card(card), tmp_path, "one", figure_data(card))
    figures.save(draw_card(again), tmp_path, "two", figure_data(again))
    for suffix in ("svg", "png", "csv"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (
            tmp_path / f"two.{suffix}"
        ).read_bytes()
    assert pd.read_csv(tmp_path / "out" / "drops.csv")["outcome"].tolist() == ["kept", "dropped"]


def test_only_a_sample_corpus_is_stamped(made, tmp_path):
    card, _ = made
    texts = [text.get_text() for text in draw_card(card).texts]
    assert figures.STAMP in texts
    real = card | {"sample": False, "corpus": None}
    assert figures.STAMP not in [text.get_text() for text in draw_card(real).texts]
    assert planted_table(real).empty
    assert planted_found(real["corpus"], reading()).empty


def test_what_was_planted_is_compared_with_what_was_found(made):
    card, read = made
    found = planted_found(card["corpus"], read).set_index("effect")
    assert found.loc["reposts"].tolist() == [2, 1]  # post 999 was never read
    assert found.loc["unreadable_files"].tolist() == [2, 1]
    table = planted_table(card).set_index("effect")["value"]
    assert table["reposts"] == "3 posts"
    assert table["unreadable_files"] == "empty: 1; missing: 1"
    assert table["classes"] == "9 entries"


def test_a_larger_distance_joins_no_fewer_posts(made):
    card, read = made
    sweep = sweep_distance(read, card["corpus"], GroupSettings(), (0, 4, 10))
    assert sweep["distance"].tolist() == [0, 4, 10]
    assert sweep["grouped_posts"].is_monotonic_increasing
    assert sweep["found"].tolist()[0] == 0.5
    assert "found" not in sweep_distance(read, None, GroupSettings(), (0,))


def test_head_of_the_card(made):
    head = card_table(made[0]).set_index("property")["value"]
    assert head["posts"] == "40"
    assert head["splits"] == "train 10 (25%), validation 10 (25%), test 20 (50%)"
    assert head["licence"] == "drawings: CC BY-SA 4.0"


def test_empty_parts_are_drawn_too(made):
    card, read = made
    pairs = read.pairs.drop(columns="label")
    bare = card | {"drops": [], "labels": label_counts(pairs).to_dict("records")}
    assert {row["label"] for row in bare["labels"]} == {"not labelled"}
    draw_card(bare)


def test_yes_no_labels_are_counted_where_they_hold():
    pairs = reading().pairs.drop(columns="label").assign(shaming=0, violence=1)
    counts = label_counts(pairs)
    assert counts.groupby("label")["count"].sum().to_dict() == {"violence": N}


def news() -> Reading:
    """The same posts as news: two sources, one of them dated, one row without a picture."""
    pairs, facts, drops = reading()
    pairs = pairs.drop(columns="label").assign(original=pairs["text"], phash="", snippet="x")
    pairs["source"] = ["rt" if i < 30 else "p1" for i in range(N)]
    pairs["date"] = [f"2022-01-{i + 1:02}T08:00:00" if i < 30 else "" for i in range(N)]
    pairs.loc[0, "image"] = ""
    pairs.loc[4, "split"] = "test"  # its picture is that of row 5, which is in another split
    facts.loc[0, ["width", "height", "hash"]] = 0
    return Reading(pairs, facts, drops)


def test_news_are_counted_by_source_and_placed_in_time(tmp_path):
    read = news()
    grouping = assign_groups(read.pairs["id"], read.facts["hash"], read.pairs["text"])
    read.pairs["group"] = grouping.group
    read.pairs.loc[5, "split"] = "train"
    card = build_card("news", tmp_path, read, grouping, DatasetSettings())
    kind, counts = breakdown(read.pairs)
    assert (kind, counts.groupby("label")["count"].sum().to_dict()) == (
        "sources",
        {"p1": 10, "rt": 30},
    )
    rows = spans(read.pairs).set_index(["source", "split"])
    assert rows.loc[("rt", "test"), ["first", "last"]].tolist() == ["2022-01-02", "2022-01-30"]
    assert rows.loc[("p1", "train"), ["first", "ordered by"]].tolist() == ["", "row"]
    assert rows["posts"].sum() == N
    assert card["groups"]["flat_pictures"] == 0  # a row without a picture is no plain picture
    assert sum(row["count"] for row in card["sizes"]) == N - 1
    head = card_table(card).set_index("property")["value"]
    assert head["texts without a picture"] == head["groups that cross official splits"] == "1"
    titles = [ax.get_title(loc="left") for ax in draw_card(card).axes]
    assert titles[0] == "Sources"
    assert titles[3].startswith("Splits in time")


def test_texts_of_real_news_are_hidden_in_every_column(tmp_path):
    shown = preview(news().pairs, visible=False)
    assert set(shown["text"]) == set(shown["original"]) == set(shown["snippet"]) == {"(not shown)"}
    assert preview(news().pairs, visible=True)["original"].tolist()[1] == "word"


def test_a_row_without_a_picture_has_no_place_on_a_sheet(tmp_path):
    Image.new("RGB", (30, 20), "red").save(tmp_path / "a.png")
    posts = news().pairs.head(2).assign(image=["", "a.png"])
    assert sum(len(ax.images) for ax in contact_sheet(posts, tmp_path, True).axes) == 1


@pytest.fixture
def judged():
    """Articles of two outlets, with a yes/no label, categories and a second split."""
    read = reading()
    extra = {
        "label": [int(i % 4 == 0) for i in range(N)],
        "label_name": ["Likely" if i % 4 == 0 else "Unlikely" for i in range(N)],
        "text_label": [(1, 0, -1, 1)[i % 4] for i in range(N)],
        "body": ["word " * (700 if i == 3 else 20) for i in range(N)],
        "source": ["A" if i < 30 else "B" for i in range(N)],
        "categories": ["Politics|Health" if i % 2 else "Politics" for i in range(N)],
        "split_outlet": "train",
    }
    return read._replace(pairs=read.pairs.assign(**extra))


def test_labels_by_outlet_and_category(judged):
    table = by_slice(judged.pairs).set_index("name")
    assert table["by"].to_dict() == {
        "A": "outlet", "B": "outlet", "Politics": "category", "Health": "category"
    }  # fmt: skip
    assert table["posts"].to_dict() == {"A": 30, "B": 10, "Politics": N, "Health": N // 2}
    assert table.loc["A", "share"] == 8 / 30
    assert table.loc["Health", "share"] == 0
    assert (table["low"] <= table["share"]).all()
    assert (table["share"] <= table["high"]).all()
    assert by_slice(reading().pairs).empty
    assert shown(by_slice(judged.pairs.head(9))).empty


def test_a_card_of_articles_names_its_label_and_shows_its_outlets(judged, tmp_path):
    grouping = assign_groups(judged.pairs["id"], judged.facts["hash"], judged.pairs["text"])
    card = build_card("toy", tmp_path, judged, grouping, DatasetSettings())
    assert card["kind"] == "labels"
    assert {row["label"] for row in card["labels"]} == {"Likely", "Unlikely"}
    head = card_table(card).set_index("property")["value"]
    assert head["label 1"] == "Likely: 10 (25%)"
    assert head["label 1 by the text alone"] == "67% of 30 judged texts"
    assert head["words in an article"] == "median 20, longest 700, 1 above 600"
    fig = draw_card(card)
    titles = [ax.get_title(loc="left") for ax in fig.axes]
    assert "Outlets" in titles
    assert fig.axes[0].get_legend() is not None


def test_a_set_without_pictures_says_so(judged, tmp_path):
    bare = judged.pairs.assign(image="")
    fig = contact_sheet(bare, tmp_path, visible=True)
    assert [text.get_text() for text in fig.axes[0].texts] == ["None of these posts has a picture."]


def test_thousands_of_sizes_do_not_make_a_large_page(made, tmp_path):
    sizes = [{"width": 200 + i % 97, "height": 300 + i, "count": 1 + i % 3} for i in range(4000)]
    files = [
        figures.save(draw_card(made[0] | {"sizes": sizes[:n]}), tmp_path / str(n), "c", NUMBERS)
        for n in (4, 4000)
    ]
    few, many = (found["svg"].stat().st_size for found in files)
    assert many < few + 60_000
    again = figures.save(draw_card(made[0] | {"sizes": sizes}), tmp_path / "again", "c", NUMBERS)
    assert again["svg"].read_bytes() == files[1]["svg"].read_bytes()


NUMBERS = pd.DataFrame({"a": [1]})


def test_sizes_that_are_all_rare_are_counted(made):
    sizes = [{"width": 200 + i, "height": 300, "count": 1} for i in range(40)]
    notes = [text.get_text() for text in draw_card(made[0] | {"sizes": sizes}).axes[2].texts]
    assert notes == ["40 sizes"]


def test_splits_that_overlap_in_time_do_not_hide_each_other(made):
    days = {"source": "rss", "first": "2022-01-01", "last": "2022-02-01", "posts": 5}
    spans = [days | {"split": split} for split in ("train", "validation")]
    ax = draw_card(made[0] | {"spans": spans}).axes[3]
    validation, train = sorted((bar.get_y(), bar.get_y() + bar.get_height()) for bar in ax.patches)
    assert validation[1] <= train[0] + 1e-9

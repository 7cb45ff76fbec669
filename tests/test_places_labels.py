import re

import pytest

from lib.places import labels

TABLE = labels.places()
SILENT_H = ("herb",)


def wrong_articles(text: str) -> list[str]:
    """Every 'a'/'an' that does not suit the word after it."""
    pairs = re.findall(r"\b(an?) (\w+)", text.lower())
    vowel = {word: word[0] in "aeiou" or word in SILENT_H for _, word in pairs}
    return [f"{article} {word}" for article, word in pairs if (article == "an") != vowel[word]]


def test_table_has_every_class_once_in_index_order():
    assert TABLE["index"].tolist() == list(range(205))
    for column in ("raw", "display", "natural"):
        assert TABLE[column].is_unique, column
    assert not (TABLE == "").any().any()
    assert TABLE["raw"].str.fullmatch(r"/[a-z](/[a-z_]+){1,2}").all()
    assert (TABLE["raw"].str[1] == TABLE["raw"].str[3]).all()
    assert (TABLE["raw"].str.count("/") == 3).sum() == 26
    # Order of the official list: by letter, names of one level first.
    key = TABLE["raw"].map(lambda raw: (raw[1], raw.count("/") == 3, raw))
    assert key.tolist() == sorted(key)


@pytest.mark.parametrize("kind", labels.KINDS)
def test_articles_suit_their_words(kind):
    prompts = [text for of_class in labels.prompts(kind) for text in of_class]
    prompts += [text for of_class in labels.other_prompts(kind) for text in of_class]
    assert [bad for text in prompts for bad in wrong_articles(text)] == []
    assert not any(re.search(r"\b(a|an|the) (a|an|the)\b|[{}]|  ", text) for text in prompts)


def test_article_check_can_fail():
    assert wrong_articles("a photo of a abbey") == ["a abbey"]
    assert wrong_articles("an bar and an herb garden") == ["an bar"]


def test_every_natural_prompt_follows_its_rule():
    for row in TABLE.itertuples():
        phrase = row.natural.removeprefix("A photo of ")
        assert phrase != row.natural
        article = "" if row.article == "none" else f"{row.article} "
        inside = f"the {row.article_rule} " if row.article_rule.endswith(" of") else ""
        assert phrase == f"{inside}{article}{row.noun}", row.raw
        if row.article_rule.startswith("article "):
            assert (row.noun, row.article) == (row.display, row.article_rule.split()[1])


def test_forms_printed_in_the_paper():
    natural = dict(zip(TABLE["raw"], TABLE["natural"], strict=True))
    assert natural["/c/cathedral/outdoor"] == "A photo of the outdoor of a cathedral"
    assert natural["/b/bakery/shop"] == "A photo of a bakery shop"
    building = "A photo of the outdoor of an apartment building"
    assert natural["/a/apartment_building/outdoor"] == building
    assert natural["/b/badlands"] == "A photo of badlands"
    assert natural["/s/sky"] == "A photo of the sky"
    assert natural["/f/field/cultivated"] == "A photo of a cultivated field"
    for level in ("outdoor", "indoor"):
        rule = TABLE["raw"].str.endswith(f"/{level}") & (TABLE["raw"] != "/s/stage/indoor")
        assert (TABLE.loc[rule, "article_rule"] == f"{level} of").all()


def test_prompt_sets_line_up_with_the_table():
    assert [p[0] for p in labels.prompts("raw")] == TABLE["display"].tolist()
    ensemble = labels.prompts("ensemble")
    assert len(ensemble) == 205
    lengths = TABLE["article"].map({"the": len(labels.TEMPLATES) - 2})
    assert list(map(len, ensemble)) == lengths.fillna(len(labels.TEMPLATES)).tolist()
    assert all(len(set(of_class)) == len(of_class) for of_class in ensemble)
    assert ensemble[0][:2] == ["a photo of an abbey.", "a photo of the abbey."]
    assert "a photo of an outdoor market." in ensemble[labels.names().index("/m/market/outdoor")]
    with pytest.raises(ValueError, match="prompt set 'emoji': choose one of raw, natural"):
        labels.prompts("emoji")


def test_groups_nest_in_scenes_and_join_the_papers_example():
    assert set(TABLE["scene"]) == {"indoor", "outdoor natural", "outdoor man-made"}
    assert (TABLE.groupby("group")["scene"].nunique() == 1).all()
    merged = labels.merged_name(["/a/art_gallery", "/a/art_studio", "none", ""], "group")
    assert merged == ["art space", "art space", "none", ""]
    assert labels.groups("class") == labels.names()
    alone = TABLE.groupby("group").filter(lambda rows: len(rows) == 1)
    assert (alone["group"] == alone["display"]).all()
    with pytest.raises(ValueError, match="merge level 'city'"):
        labels.groups("city")


def test_unknown_label_is_named_with_its_row():
    assert labels.index_of(["/y/yard", "none", ""]) == [204, -1, -1]
    with pytest.raises(ValueError, match="label in row 1: 'yard' is not one of the 205"):
        labels.index_of(["/y/yard", "yard"])


def test_table_handed_out_is_a_copy():
    table = labels.places()
    table.loc[0, "raw"] = "spoilt"
    assert labels.names()[0] == "/a/abbey"


def test_label_files_are_checked_line_by_line(tmp_path):
    path = tmp_path / "gold.csv"
    path.write_text("id,label,annotator,time\n007,/b/bridge,ann,t\n008,none,ann,t\n")
    frame = labels.read_labels(path)
    assert frame["id"].tolist() == ["007", "008"]
    labels.write_labels(frame, tmp_path / "copy" / "gold.csv")
    assert (tmp_path / "copy" / "gold.csv").read_bytes() == path.read_bytes()
    path.write_text("id,label,annotator,time\n007,bridge,ann,t\n")
    with pytest.raises(ValueError, match=r"gold\.csv: row 2, column label: 'bridge' is no Places"):
        labels.read_labels(path)
    path.write_text("id,label,annotator,time\n7,none,ann,t\n8,none,bob,t\n7,none,ann,t\n")
    with pytest.raises(ValueError, match="row 4, column id: 7 is judged twice"):
        labels.read_labels(path)
    path.write_text("id,label,time\n")
    with pytest.raises(ValueError, match="column annotator is missing"):
        labels.read_labels(path)


def test_truth_is_the_majority_and_ties_go_to_the_first():
    rows = [("1", "/b/bar", "a"), ("1", "none", "b"), ("2", "none", "a")]
    rows += [("2", "/b/bar", "b"), ("2", "/b/bar", "c")]
    frame = labels.pd.DataFrame(rows, columns=["id", "label", "annotator"])
    assert labels.truth(frame) == {"1": "/b/bar", "2": "/b/bar"}

"""The registry of data sets: each can be read from nothing, and studies do not depend on all."""

import pytest

from lib import fingerprint, paths
from lib.data import readers as data
from lib.data.readers import instacities, news_pairs
from lib.data.readers.fnd import fakenewsnet, nmb, weibo
from lib.data.readers.registry import READERS, SMOKE
from lib.schema import label_columns, validate_pairs

SETTINGS = {
    "nmb": nmb.Settings(need="both"),
    "weibo": weibo.Settings(),
    "fakenewsnet": fakenewsnet.Settings(),
}


def test_every_data_set_has_a_smoke_corpus():
    assert set(READERS) == set(SMOKE)


@pytest.mark.parametrize("name", SETTINGS)
def test_posts_judged_as_a_whole_are_prepared_from_nothing(name):
    root = data.find_root(name, "", SETTINGS[name])
    reading, grouping = data.prepare(name, root, SETTINGS[name])
    pairs = reading.pairs
    assert 40 < len(pairs) <= 60
    assert {"train", "validation", "test"} == set(pairs["split"])
    assert label_columns(pairs) == ["label_name"]
    assert ("split_outlet" in pairs.columns) == (name == "nmb")
    extra = dict.fromkeys(pairs.columns[8:])
    assert validate_pairs(pairs, name, extra).equals(pairs.reset_index(drop=True))
    assert grouping.report["posts"] == len(pairs)


ARTICLES = """unique_id,outlet,headline,article_text,text_label,multimodal_label
00000000a1,Daily Lamp,Bread is dear,Bread costs more.,Likely,Likely
00000000a2,Daily Lamp,Ferry late,It was late.,Likely,Unlikely
00000000a3,Daily Lamp,,Nothing to say.,Likely,Unlikely
"""


@pytest.mark.parametrize(
    ("name", "settings", "table", "line"),
    [
        (
            "nmb",
            nmb.Settings(need="both"),
            ARTICLES,
            "no row is left of 3 in {root}; most often: no picture (2); "
            "these are kept with data.nmb.need: any",
        ),
        (  # what most rows lack no setting gives back
            "nmb",
            nmb.Settings(need="both"),
            ARTICLES.replace(",Unlikely", ","),
            "no row is left of 3 in {root}; most often: no label (2)",
        ),
        ("nmb", nmb.Settings(need="both"), ARTICLES.splitlines()[0], "{root}: no row was found"),
        (
            "fakenewsnet",
            fakenewsnet.Settings(),
            "content,image,label\nA cat won,cat.jpg,0\nA dog lost,dog.jpg,1\n,,1\n",
            "no row is left of 3 in {root}; most often: picture is missing (2); "
            "these are kept with data.fakenewsnet.need: any",
        ),
        (
            "fakenewsnet",
            fakenewsnet.Settings(need="any"),
            "content,image,label\n,cat.jpg,0\n",
            "no row is left of 1 in {root}; most often: picture is missing; empty text (1)",
        ),
        (
            "news_pairs",
            news_pairs.Settings(columns={"image": "file", "text": "title"}),
            "file,title\n,Ferry late\na.jpg,\nb.jpg,\n",
            "no row is left of 3 in {root}; most often: empty title (2)",
        ),
    ],
    ids=["pictures", "labels", "header alone", "table", "neither", "titles"],
)
def test_a_data_set_of_which_nothing_is_left_is_one_line(tmp_path, name, settings, table, line):
    (tmp_path / "gossip_train.csv").write_text(table)
    with pytest.raises(data.LayoutError) as caught:
        data.read(name, tmp_path, settings)
    assert str(caught.value) == f"data.{name}: {line.format(root=tmp_path)}"


def test_pictures_without_captions_are_counted_in_that_line(tmp_path):
    for folder in ("captions/ny", "img_resized/ny"):
        (tmp_path / folder).mkdir(parents=True)
    for stem in "ab":
        (tmp_path / f"img_resized/ny/{stem}.jpg").touch()
    with pytest.raises(data.LayoutError, match=r"of 2 in .*: image without caption \(2\)$"):
        data.read("instacities", tmp_path, instacities.Settings())


def test_what_the_line_names_does_keep_the_rows(tmp_path):
    (tmp_path / "articles.csv").write_text(ARTICLES)
    assert len(data.read("nmb", tmp_path, nmb.Settings(need="any")).pairs) == 2


def test_an_unknown_name_is_one_line():
    with pytest.raises(KeyError, match="dataset 'nbm': unknown; there are fakenewsnet, instac"):
        data.read("nbm", paths.ROOT, data.DatasetSettings())


def test_only_who_prepares_data_follows_the_readers():
    def files(target):
        return {line.split()[1] for line in fingerprint.fingerprint(target).splitlines()}

    modules = {f"{name.partition(':')[0].replace('.', '/')}" for name in READERS.values()}
    prepares = files("notebooks/01_data_preparation.ipynb")
    studies = files("lib.places.study.inputs") | files("lib.retrieval.study.opening")
    for module in modules:
        assert {f"{module}.py", f"{module}/__init__.py"} & prepares
    assert "lib/data/readers/fnd/nmb.py" not in studies
    assert "lib/sample/nmb/articles.py" in prepares
    assert not any(file.startswith("lib/sample/nmb") for file in studies)

import hashlib
import json

import pandas as pd
import pytest
from PIL import Image
from statsmodels.stats.proportion import proportion_confint

from lib.places.export import export_clean


@pytest.fixture
def corpus(tmp_path):
    root = tmp_path / "root"
    (root / "img").mkdir(parents=True)
    rows = [
        ("4", "/b/bar", 0.9, "none"),
        ("1", "/b/bar", 0.8, "/b/bar"),
        ("2", "/b/bar", 0.5, "/b/bar"),
        ("3", "/b/bridge", 0.7, ""),
        ("5", "none", 0.99, "none"),
        ("6", "/b/bridge", 0.2, "/b/bridge"),
    ]
    frame = pd.DataFrame(rows, columns=["id", "y_pred", "score", "y_true"])
    frame = frame.assign(image="img/" + frame["id"] + ".jpg", text='post, with "quotes"\nand lines')
    for image in frame["image"]:
        Image.new("RGB", (4, 4)).save(root / image)
    return frame, root, tmp_path / "out"


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_kept_posts_and_manifest(corpus):
    frame, root, out = corpus
    assert export_clean(frame, root, 0.5, [], out, system="image") == out
    kept = pd.read_csv(out / "kept.csv", dtype={"id": str})
    assert kept.columns.tolist() == ["id", "label", "confidence", "image", "text"]
    assert kept["id"].tolist() == ["1", "2", "3", "4"]
    assert kept["text"].tolist() == frame["text"].tolist()[:4]
    found = manifest(out)
    assert found["counts"]["posts"] == 6
    assert found["counts"]["kept_per_class"] == {"/b/bar": 3, "/b/bridge": 1}
    assert (found["precision"]["judged"], found["precision"]["hits"]) == (3, 2)
    low, high = proportion_confint(2, 3, method="wilson")
    assert found["precision"]["wilson_95"]["low"] == pytest.approx(low, abs=1e-6)
    assert found["precision"]["wilson_95"]["high"] == pytest.approx(high, abs=1e-6)
    digest = hashlib.sha256((out / "kept.csv").read_bytes()).hexdigest()
    assert found["sha256"]["kept.csv"] == digest
    assert found["criteria"]["comparison"] == ">="


def test_classes_threshold_and_comparison_choose(corpus):
    frame, root, out = corpus
    export_clean(frame, root, 0.5, ["/b/bar"], out, strict=True, copy_images=True)
    assert pd.read_csv(out / "kept.csv")["id"].tolist() == [1, 4]
    assert sorted(p.name for p in (out / "images" / "img").iterdir()) == ["1.jpg", "4.jpg"]
    export_clean(frame.drop(columns="y_true"), root, 1.0, [], out)
    assert manifest(out)["counts"]["kept"] == 0
    assert manifest(out)["precision"] == {"judged": 0, "hits": 0, "wilson_95": None}
    assert not (out / "images").exists()
    export_clean(frame, root, 0.0, ["/y/yard"], out)
    assert manifest(out)["counts"]["kept"] == 0


def test_same_input_same_bytes(corpus):
    frame, root, out = corpus
    one = export_clean(frame, root, 0.5, [], out)
    first = [(p.name, p.read_bytes()) for p in sorted(one.iterdir())]
    two = export_clean(frame.sample(frac=1, random_state=1), root, 0.5, [], out.with_name("two"))
    assert [(p.name, p.read_bytes()) for p in sorted(two.iterdir())] == first
    Image.new("RGB", (4, 4), "red").save(root / "img/3.jpg")
    three = export_clean(frame, root, 0.5, [], out)
    assert manifest(three)["sha256"]["images"] != manifest(two)["sha256"]["images"]


def test_a_missing_picture_leaves_the_earlier_export_whole(corpus):
    frame, root, out = corpus
    export_clean(frame, root, 0.5, [], out)
    before = sorted((p.name, p.read_bytes()) for p in out.iterdir())
    (root / "img/3.jpg").unlink()
    with pytest.raises(ValueError, match=r"img/3\.jpg: picture of post 3 is missing"):
        export_clean(frame, root, 0.1, [], out)
    assert sorted((p.name, p.read_bytes()) for p in out.iterdir()) == before
    assert sorted(p.name for p in out.parent.iterdir()) == ["out", "root"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": 1.5}, r"threshold 1.5: must lie in \[0, 1\]"),
        ({"threshold": float("nan")}, r"threshold nan: must lie in \[0, 1\]"),
        ({"classes": ["/b/bus"]}, "classes: '/b/bus' is no Places class"),
        ({"classes": "/b/bar"}, "classes: '/b/bar' is one string"),
    ],
)
def test_bad_requests_are_one_line(corpus, change, message):
    frame, root, out = corpus
    wanted = {"threshold": 0.5, "classes": []} | change
    with pytest.raises(ValueError, match=message) as error:
        export_clean(frame, root, wanted["threshold"], wanted["classes"], out)
    assert "\n" not in str(error.value)
    assert not out.exists()


def test_bad_tables_and_foreign_folders_are_refused(corpus):
    frame, root, out = corpus
    with pytest.raises(ValueError, match="column score is missing"):
        export_clean(frame.drop(columns="score"), root, 0.5, [], out)
    with pytest.raises(ValueError, match="post 4 has two rows"):
        export_clean(pd.concat([frame, frame]), root, 0.5, [], out)
    with pytest.raises(ValueError, match="exists and is no earlier export"):
        export_clean(frame, root, 0.5, [], root)
    assert (root / "img/1.jpg").exists()

"""The memes page: complete, offline, warned of, the same twice; tables and figures beside it."""

from dataclasses import replace

import pandas as pd
import pytest
from PIL import Image

from lib.memes.findings import claims
from lib.memes.panels import examples
from lib.report import html
from lib.report import memes as report
from lib.report.memes import care, corpus, features, pages, smoke
from lib.report.memes.naming import NamedWriter
from lib.report.writer import Settings

SETTINGS = Settings(bootstrap=60)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    made, pairs = smoke.write_study(tmp_path_factory.mktemp("memes"))
    return report.findings.read(made, pairs, {}, True, SETTINGS.bootstrap)


@pytest.fixture(scope="module")
def out(found, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "smoke"
    pages.write_memes(found, folder, SETTINGS, None)
    return folder


def test_the_page_warns_first_and_loads_nothing(out):
    text = (out / "memes.html").read_text()
    assert not html.external(text)
    assert text.index("Content warning") < text.index('class="lead"')
    for name in ("systems", "paper", "curves", "claims", "loss", "features", "shift", "gamma",
                 "reading", "errors", "model_card", "limits"):  # fmt: skip
        assert f'id="{name}"' in text
    assert "sample corpus" in text


def test_every_figure_and_table_has_its_numbers_beside_it(out):
    text = (out / "memes.html").read_text()
    drawn = sorted(path.stem for path in (out / "figures").glob("*.svg"))
    assert len(drawn) == 15
    for name in drawn:
        assert f'id="{name}"' in text
        assert len(pd.read_csv(out / "figures" / f"{name}.csv"))
    for file in (out / "tables").glob("*.csv"):
        assert f'id="{file.stem}"' in text


def test_collapsed_systems_are_named_on_the_page(out):
    assert "all negative (2 of 2 seeds)" in (out / "memes.html").read_text()


def test_writing_twice_gives_the_same_bytes(found, out, tmp_path):
    features.loss(found, NamedWriter(tmp_path, True))
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert {file.suffix for file in files} == {".svg", ".png", ".csv", ".html", ".md"}
    for file in files:
        assert (out / file.relative_to(tmp_path)).read_bytes() == file.read_bytes(), file


def test_the_headline_comes_from_the_run(found):
    numbers = pages.headline(found, claims.check(found)).numbers
    assert len(numbers) == 5
    assert numbers[2][1] == "task B of giving no label at all"
    assert numbers[3][0].endswith("of 4")


def test_the_model_card_says_what_it_is_not_for(found):
    text = care.model_card(found).render()
    assert "Out of scope" in text
    assert "automatic sanctions" in text
    assert "1,000" in text  # parameters of the made-up heads
    assert "<code>show_content</code>" in care.warning()


def test_real_memes_are_blurred_and_wordless(found, tmp_path):
    pairs = found.pairs.assign(split="train", image="a.png", text="SECRET WORDS")
    image = Image.new("RGB", (64, 64), "white")
    image.paste("black", (0, 0, 32, 64))
    image.save(tmp_path / "a.png")
    real = replace(found, pairs=pairs, sample=False)
    section = corpus.described(real, NamedWriter(tmp_path, False), False, tmp_path)
    assert "SECRET" not in section.render()
    table = pd.read_csv(tmp_path / "figures" / "memes_gallery.csv")
    assert table["text"].isna().all()
    assert set(examples.picked(pairs)["id"]) == set(table["id"])

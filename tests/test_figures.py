"""Figures are saved whole, with their data, as the same bytes each time."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib import figures


def data():
    x = np.linspace(0, 1, 9)
    parts = [pd.DataFrame({"x": x, "y": x**k, "name": f"power {k}"}) for k in (1, 2, 3)]
    return pd.concat(parts, ignore_index=True).assign(low=0.0, high=1.0)


def draw():
    fig, axes = figures.new(1, 2, (8, 3))
    figures.curves(axes[0], data(), "x", "y", "name", band=True)
    dots = pd.DataFrame(
        {"what": ["a", "b"], "value": [0.4, 0.6], "low": [0.3, 0.5], "high": [0.5, 0.7]}
    )
    figures.interval_dots(axes[1], dots.assign(paper=[0.35, np.nan]), "what", "paper")
    figures.stamp(fig)
    return fig


def test_same_figure_same_bytes_with_its_data(tmp_path):
    first = figures.save(draw(), tmp_path / "a", "powers", data())
    second = figures.save(draw(), tmp_path / "b", "powers", data())
    assert sorted(first) == ["csv", "png", "svg"]
    for suffix, path in first.items():
        assert path.read_bytes() == second[suffix].read_bytes(), suffix
    assert len(pd.read_csv(first["csv"])) == len(data())
    assert not list(tmp_path.rglob("*.part"))


def test_an_svg_holds_no_date_and_needs_no_font(tmp_path):
    text = figures.save(draw(), tmp_path, "f", data())["svg"].read_text()
    assert "<dc:date>" not in text
    assert "font-family" not in text


def test_photographs_are_saved_as_png_alone(tmp_path):
    assert set(figures.save(draw(), tmp_path, "f", data(), formats=("png",))) == {"png", "csv"}


def test_saving_over_a_figure_replaces_it(tmp_path):
    (tmp_path / "f.csv").write_text("old")
    figures.save(draw(), tmp_path, "f", data().head(1))
    assert len(pd.read_csv(tmp_path / "f.csv")) == 1


def test_names_of_lines_do_not_overlap():
    fig, ax = figures.new()
    close = pd.DataFrame({"x": [0, 1] * 4, "y": [0, 0.5] * 4, "name": list("aabbccdd")})
    ax.set_ylim(0, 1)
    figures.curves(ax, close, "x", "y", "name", gap=0.05)
    heights = sorted(text.xy[1] for text in ax.texts)
    assert np.diff(heights).min() >= 0.05 - 1e-9
    assert np.mean(heights) == pytest.approx(0.5)


def test_lines_of_a_shared_axis_are_not_cut_off():
    fig, axes = figures.new(1, 2, sharey=True)
    low = pd.DataFrame({"x": [0, 1], "y": [0, 1], "name": "a"})
    for ax, scale in zip(axes, (1, 9), strict=True):
        figures.curves(ax, low.assign(y=low["y"] * scale), "x", "y", "name")
    assert axes[0].get_ylim()[1] > 9


def test_more_lines_than_colours_stay_apart():
    fig, ax = figures.new()
    many = pd.DataFrame({"x": [0, 1] * 14, "y": range(28), "name": np.repeat(range(14), 2)})
    figures.curves(ax, many, "x", "y", "name")
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.lines}
    assert len(looks) == 14


def test_the_first_row_is_drawn_at_the_top():
    fig, ax = figures.new()
    dots = pd.DataFrame({"what": ["first", "last"], "value": 0.5, "low": 0.4, "high": 0.6})
    figures.interval_dots(ax, dots, "what")
    at = {
        label.get_text(): y for label, y in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)
    }
    assert at["first"] > at["last"]


def test_a_hidden_picture_cannot_be_recognised():
    pixels = np.zeros((300, 300, 3), np.uint8)
    pixels[:, ::20] = 255  # writing has such strokes
    hidden = np.asarray(figures.blur(Image.fromarray(pixels)), float)[:, 60:-60]
    assert hidden.std() < 0.05 * pixels.std()


@pytest.mark.parametrize("shown", [True, False])
def test_a_sheet_blurs_unless_told_to_show(shown):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8))
    fig = figures.contact_sheet([image] * 3, ["a", "b", "c"], columns=2, show_content=shown)
    drawn = np.asarray(fig.axes[0].images[0].get_array())
    assert np.array_equal(drawn, np.asarray(image)) == shown
    assert [len(ax.images) for ax in fig.axes] == [1, 1, 1, 0]


def test_style_ends_with_the_block():
    import matplotlib as mpl

    before = mpl.rcParams["axes.grid"]
    with mpl.rc_context({"axes.grid": not figures.RC["axes.grid"]}), figures.style():
        assert mpl.rcParams["axes.grid"] == figures.RC["axes.grid"]
    assert mpl.rcParams["axes.grid"] == before


def test_the_palette_stays_apart_without_red_or_green():
    def grey(color):
        r, g, b = (int(color[i : i + 2], 16) for i in (1, 3, 5))
        return np.array([(r + g) / 2, b])  # what red-green blindness leaves, roughly

    seen = [grey(color) for color in figures.CYCLE]
    gaps = [np.abs(a - b).max() for i, a in enumerate(seen) for b in seen[:i]]
    assert min(gaps) > 12

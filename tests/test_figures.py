"""Figures are saved whole, with their data, as the same bytes each time."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib import figures, png


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


def test_a_figure_is_drawn_once_a_file_and_laid_out_as_a_draw_would(tmp_path, monkeypatch):
    drawn = draw()
    drawn.draw_without_rendering()  # the plain way to have it laid out
    calls = []
    fig = draw()
    real = type(fig).draw
    monkeypatch.setattr(type(fig), "draw", lambda self, *a: calls.append(1) or real(self, *a))
    figures.save(fig, tmp_path, "f", data())
    assert len(calls) == 2  # SVG and PNG
    for ax, other in zip(fig.axes, drawn.axes, strict=True):
        assert np.allclose(ax.get_position().bounds, other.get_position().bounds, atol=1e-4)


def test_a_figure_can_be_saved_again(tmp_path):
    fig = draw()
    first, second = (figures.save(fig, tmp_path / name, "f", data()) for name in "ab")
    assert first["png"].read_bytes() == second["png"].read_bytes()


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


def sheet(count=12):
    """A sheet of smooth photographs with some grain, every one of other hues."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:1:300j, 0:1:300j]
    pictures = []
    for _ in range(count):
        a, b, c = rng.random((3, 3))
        pixels = 255 * (a + (b - a) * x[..., None] + (c - a) * y[..., None]).clip(0, 1)
        grain = rng.normal(0, 4, pixels.shape)
        pictures.append(Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8)))
    return figures.contact_sheet(pictures, ["what it is"] * count, show_content=True, side=1.9)


def full(fig, dpi):
    """The figure in full colour, as matplotlib draws it: picture, bytes of its PNG."""
    fig.savefig(buffer := io.BytesIO(), format="png", dpi=dpi)
    return np.asarray(Image.open(buffer).convert("RGB"), float), len(buffer.getvalue())


def test_a_sheet_of_pictures_stays_small_and_looks_the_same(tmp_path):
    fig = sheet()
    path = figures.save(fig, tmp_path, "sheet", data(), formats=("png",))["png"]
    assert path.stat().st_size < 700_000
    assert len(figures.show(fig).data) < 400_000
    saved = Image.open(path)
    assert saved.mode == "P"
    pixels = np.asarray(saved.convert("RGB"), float)
    before, size = full(fig, png.SHEET_SAVED)
    assert path.stat().st_size < size / 2
    coarse = [np.asarray(Image.fromarray(a.astype(np.uint8)).resize((96, 48)), float)
              for a in (pixels, before)]  # fmt: skip
    assert np.abs(coarse[0] - coarse[1]).mean() < 3  # dithered hues mix to the right ones


def test_a_figure_of_lines_keeps_its_colours_and_white(tmp_path):
    fig = draw()
    path = figures.save(fig, tmp_path, "lines", data())["png"]
    pixels = np.asarray(Image.open(path).convert("RGB"), float)
    before, size = full(fig, png.LINES_SAVED)
    assert path.stat().st_size < 0.6 * size
    assert np.abs(pixels - before).max() < 24
    assert (pixels[before.min(axis=-1) == 255] == 255).all()


def test_pictures_come_at_fewer_dots_an_inch_than_lines():
    assert png.has_pictures(sheet(1))
    assert not png.has_pictures(draw())
    assert png.SHEET_SHOWN < png.LINES_SHOWN
    assert png.SHEET_SAVED < png.LINES_SAVED


def test_captions_of_a_sheet_are_not_cut_off_and_leave_room_for_the_stamp():
    blank = [Image.new("RGB", (300, 300))] * 12
    fig = figures.contact_sheet(blank, ["four\nlines\nof\ntext"] * 12, columns=6)
    figures.stamp(fig)
    fig.draw_without_rendering()
    (stamp,) = fig.texts
    top = stamp.get_bbox_patch().get_window_extent().y1
    assert all(ax.texts[0].get_window_extent().y0 >= top for ax in fig.axes)

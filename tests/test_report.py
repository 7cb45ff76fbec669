"""The report: measures against their definitions, tables by hand, pages that open anywhere."""

import base64
import io
import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib import params, paths
from lib.places import selective
from lib.places.study import claims
from lib.places.study.systems import ZeroShotPlaces
from lib.report import html, notebooks, places, site, smoke
from lib.report.headline import FAILS, limits
from lib.report.places import pages, quality
from lib.report.writer import Settings

SETTINGS = Settings(bootstrap=50, sheet=4)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    plan = params.load("profiles/smoke.yaml", "zero_shot_places", ZeroShotPlaces)
    predictions, pairs = smoke.write_study(folder, plan, posts=80)
    return places.read(predictions, pairs, "profiles/smoke.yaml", True, 50)


@pytest.fixture(scope="module")
def site_folder(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("reports") / "sample"
    heads = pages.write_places(study, out, SETTINGS, None)
    site.write_data(out, None, None, True)
    site.write_index(out.parent / "index.html", "sample", heads, True)
    return out


def scores(n=300, ties=True, seed=0):
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    return (np.round(score, 1) if ties else score), rng.random(n) < score


@pytest.mark.parametrize("ties", [True, False])
def test_weights_of_one_give_the_measures_of_the_library(ties):
    score, right = scores(ties=ties)
    found = quality.intervals(score, right, np.arange(300), n=5)
    assert found["auroc"] == pytest.approx(selective.auroc(score, right))
    assert found["aurc"] == pytest.approx(selective.aurc(score, right))
    assert found["ece"] == pytest.approx(selective.ece(score, right))


def test_whole_weights_are_repeated_posts():
    score, right = scores(80)
    counts = np.random.default_rng(1).integers(0, 4, 80)
    order = np.argsort(-score, kind="stable")
    found = quality._measure(score[order], right[order], counts[order][None].astype(float))
    rows = np.repeat(np.arange(80), counts)
    for name, measure in (("auroc", selective.auroc), ("aurc", selective.aurc)):
        assert found[name][0] == pytest.approx(measure(score[rows], right[rows])), name
    assert found["ece"][0] == pytest.approx(selective.ece(score[rows], right[rows]))


def test_intervals_hold_the_value_and_widen_with_clusters():
    score, right = scores(150)
    alone = quality.intervals(score, right, np.arange(150), n=400)
    score, right = np.tile(score, 4), np.tile(right, 4)
    together = quality.intervals(score, right, np.tile(np.arange(150), 4), n=400)
    naive = quality.intervals(score, right, np.arange(600), n=400)
    for found in (alone, together, naive):
        assert found["auroc_low"] < found["auroc"] < found["auroc_high"]
    width = {k: v["auroc_high"] - v["auroc_low"] for k, v in locals().items() if k in NAMES}
    assert width["together"] == pytest.approx(width["alone"], rel=0.25)
    assert width["naive"] < 0.7 * width["together"]


NAMES = ("alone", "together", "naive")


def test_a_system_that_is_never_right_has_no_auroc():
    found = quality.intervals(np.array([0.2, 0.7]), np.array([False, False]), [0, 1], n=5)
    assert np.isnan(found["auroc"])
    assert found["aurc"] == 1


def test_every_table_has_the_trivial_rows_and_every_system(study):
    table = places.systems_table(study)
    assert set(places.TRIVIAL) <= set(table.loc[table["kind"] == "trivial", "system"])
    assert set(table["system"]) == set(study.predictions["system"])
    assert (table["accuracy_low"] <= table["accuracy"]).all()


def test_accuracy_is_that_of_the_predictions(study):
    rows = study.tested.query("system == 'image' and variant == @study.main")
    table = places.systems_table(study).set_index(["system", "variant"])
    assert table.loc[("image", study.main), "accuracy"] == pytest.approx(rows["right"].mean())
    on_places = rows[rows["y_true"] != "none"]["right"].mean()
    assert table.loc[("image", study.main), "accuracy_on_places"] == pytest.approx(on_places)


def test_difference_from_the_picture_is_the_gap_of_accuracies(study):
    table = places.against_image(study).set_index("system")
    rows = study.tested.query("variant == @study.main").groupby("system")["right"].mean()
    for system in ("caption", "linear_probe_1"):
        gap = rows[system] - rows["image"]
        assert table.loc[system, "difference"] == pytest.approx(gap)
    assert table.loc["caption", "difference"] == pytest.approx(
        (table.loc["caption", "helped"] - table.loc["caption", "harmed"]) / 40
    )
    assert (table["p_holm"] >= table["p"]).all()
    assert np.isnan(table.loc["linear_probe_1", "p_mcnemar"])


def test_table3_counts_every_test_post_and_keeps_the_printed_one(study):
    tables = places.table3(study)
    assert tables["image"].iloc[0][["n", "threshold"]].tolist() == [40, 0]
    assert tables["paper"].set_index("threshold").loc[0.6, "ratio"] == 1.3373
    assert {"caption", study.settings.paper_ensemble, "image_reject"} <= set(tables)


def test_table2_has_the_papers_row(study):
    strata, accuracies = places.table2(study)
    assert accuracies.iloc[0]["unweighted"] == pytest.approx(0.46)
    assert strata.query("answer == 'bridge'")["paper"].iloc[0] == 0.94


def test_captions_help_or_harm_as_the_accuracies_say(study):
    effects = places.caption_effects(study).set_index("system")
    gaps = places.against_image(study).set_index("system")
    net = effects.loc["caption", "helps"] - effects.loc["caption", "harms"]
    assert net / 40 == pytest.approx(gaps.loc["caption", "difference"])


def test_a_ceiling_stands_beside_the_best_system_that_sees_as_much(study):
    known = {"picture": 0.8, "caption": 0.5, "picture_and_caption": 0.9}
    table = places.ceiling_table(study, known).set_index("evidence")
    assert table["ceiling"].tolist() == [0.8, 0.5, 0.9]
    assert table.loc["caption", "system"] == "caption"
    assert not table["system"].isin(["image_merged", *places.TRIVIAL]).any()
    both, one = table.loc["picture and caption", "accuracy"], table.loc["picture", "accuracy"]
    assert both >= one


def test_missing_files_and_strange_posts_are_one_line(study, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"predictions.parquet: no such file; run 03") as e:
        places.read(tmp_path, "x", "profiles/smoke.yaml", True)
    assert "\n" not in str(e.value)
    plan = params.load("profiles/smoke.yaml", "zero_shot_places", ZeroShotPlaces)
    predictions, pairs = smoke.write_study(tmp_path, plan, posts=30)
    fewer = pd.read_parquet(pairs).head(5)
    fewer.to_parquet(pairs)
    with pytest.raises(ValueError, match="post 1005 of the predictions is not in it"):
        places.read(predictions, pairs, "profiles/smoke.yaml", True)


def test_settings_are_checked(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("reports: {bootstrap: 0}\n")
    with pytest.raises(params.ParamsError, match="reports.bootstrap: must be at least 1"):
        params.load(path, "reports", Settings)


def test_the_site_opens_without_a_network_and_has_no_dead_link(site_folder):
    found = [site_folder.parent / "index.html", *site_folder.glob("*.html")]
    assert len(found) == 3
    assert [address for page in found for address in html.external(page.read_text())] == []
    notebook = "notebooks/03_zero_shot_places.html"  # rendered by another call
    assert [b for b in html.broken_links(found) if notebook not in b] == []


def test_the_same_study_is_the_same_bytes(study, site_folder, tmp_path):
    again = tmp_path / site_folder.name
    pages.write_places(study, again, SETTINGS, None)
    site.write_data(again, None, None, True)
    made = [path for path in again.rglob("*") if path.is_file()]
    assert len(made) > 60
    for path in made:
        other = site_folder / path.relative_to(again)
        assert path.read_bytes() == other.read_bytes(), path.name


def test_the_pages_of_a_profile_lead_to_its_own_front_page(study, tmp_path):
    out = tmp_path / "paper"
    heads = pages.write_places(study, out, SETTINGS, None)
    site.write_data(out, None, None, False)
    front = site.write_index(tmp_path / "paper.html", "paper", heads, False)
    assert '<a href="../paper.html"><b>PairLab' in (out / "places.html").read_text()
    assert '<a href="paper.html"><b>PairLab' in front.read_text()
    assert not (tmp_path / "index.html").exists()


def test_sample_numbers_are_called_so_and_the_papers_are_not(site_folder):
    for table in (site_folder / "tables").glob("*.html"):
        published = table.stem in ("table2_paper", "table3_paper", "inconsistencies")
        assert ("sample corpus" in table.read_text()) != published, table.name
    assert "sample corpus" in (site_folder.parent / "index.html").read_text()


def test_the_front_page_says_what_the_claims_say(study, site_folder):
    checked = places.claims_table(study)
    head = pages.headline(study, checked)
    rows = checked[checked["measure"] == pages.RIGHT]
    assert len(rows) == 2
    assert limits(rows.iloc[-1], "value") in head.sentence
    text = (site_folder.parent / "index.html").read_text()
    assert head.sentence in text
    assert "sample/figures/by_threshold.svg" in text
    checked.loc[rows.index, "value"] += 0.25
    checked.loc[rows.index[0], "verdict"] = claims.FAILS
    other = pages.headline(study, checked)
    assert other.sentence != head.sentence
    assert other.verdict == FAILS


def test_studies_that_are_not_built_say_so(site_folder):
    text = (site_folder.parent / "index.html").read_text()
    built = sum(study.page == "places.html" for study in site.STUDIES)
    assert len(site.STUDIES) == 6  # of five documents
    assert text.count("not built yet") == 6 - built


def test_pages_hold_no_path_of_this_machine(site_folder):
    for path in site_folder.parent.rglob("*"):
        if path.suffix in (".html", ".csv", ".md", ".svg"):
            assert str(paths.ROOT) not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://a.b/c.js">', '<img alt="x" src="http://a.b/c.png">',
        "body{background:url(https://a.b/c.png)}", '<link rel="x" href="https://a.b/c.css">',
        'import("https://a.b/c.mjs")',
    ],
)  # fmt: skip
def test_a_page_that_loads_from_the_network_is_refused(text, tmp_path):
    with pytest.raises(ValueError, match=r"p.html: would load https?://a.b/c"):
        html.write(tmp_path / "p.html", text)
    assert not list(tmp_path.iterdir())
    html.write(tmp_path / "p.html", '<a href="https://a.b">read more</a>')


@pytest.mark.parametrize(
    "text", ["<pre>{}/lib/a.py:3: FutureWarning", 'href="file://{}/a.png"', "kept in {}", "PATH={}"]
)
@pytest.mark.parametrize("folder", ["/srv/dev", "/opt/env", "/hut"])
def test_a_page_that_names_a_folder_of_this_machine_is_refused(text, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(html.paths, "ROOT", Path("/srv/dev"))
    monkeypatch.setattr(html.sys, "prefix", "/opt/env")
    monkeypatch.setenv("HOME", "/hut")
    with pytest.raises(ValueError, match=f"^p.html: names {folder}, a folder of this machine$"):
        html.write(tmp_path / "p.html", text.format(folder))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        'src="data:image/png;base64,iVBOR/hut/srv/dev+/hut+/opt/env/hut=="', "/huted",
        'href="../hut/a.png"', "https://a.b/hut", "/srv/development", "/srv/dev-old",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_folder_of_this_machine_is_not_refused(text, tmp_path, monkeypatch):
    monkeypatch.setattr(html.paths, "ROOT", Path("/srv/dev"))
    monkeypatch.setattr(html.sys, "prefix", "/opt/env")
    for home in ("/hut", "/"):  # one that has no home lives in /
        monkeypatch.setenv("HOME", home)
        html.write(tmp_path / "p.html", text)


def test_recall_table_has_one_row_a_test_and_keeps_limits():
    row = {"model": "sample_clip_l", "epochs": 3, "test": "seen", "direction": "text→image",
           "gallery": 600, "queries": 600, "low": 0.1, "high": 0.3}  # fmt: skip
    rows = [row | {"k": k, "recall": k / 20, "chance": k / 600} for k in (1, 5)]
    table = site.recall_table({"recall": rows})
    assert len(table) == 1
    assert table.loc[0, ["R@1", "R@5", "R@5_low", "R@5_high"]].tolist() == [0.05, 0.25, 0.1, 0.3]


@pytest.mark.parametrize(
    "path", sorted((paths.ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem
)
def test_every_formula_of_a_notebook_can_be_drawn(path):
    cells = nbformat.read(path, as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    prose = re.sub(r"```.*?```|`[^`]*`", "", prose, flags=re.DOTALL)
    found = [
        block or inline
        for block, inline in re.findall(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", prose, re.DOTALL)
    ]
    assert [tex for tex in found if not notebooks.math_svg(tex).startswith("<svg")] == []


def test_a_formula_that_stands_on_many_pages_is_drawn_once(monkeypatch):
    drawn, real = [], notebooks._draw
    monkeypatch.setattr(notebooks, "_draw", lambda *a: drawn.append(a) or real(*a))
    tex = r"\zeta_{17}"
    first = notebooks.math_svg(tex)
    assert notebooks.math_svg(tex) == first == notebooks.math_svg.__wrapped__(tex)
    assert notebooks.math_svg(tex, 14) != first
    assert len(drawn) == 3  # once for each size, and the plain way


def notebook(code="1 + 1", prose="# T\nLet $x^2$ be.", output=None):
    new = nbformat.v4
    cells = [new.new_markdown_cell(prose), new.new_code_cell(code)]
    if output:
        cells[1].outputs = [new.new_output("stream", name="stdout", text=output)]
        cells[1].execution_count = 1
    return new.new_notebook(cells=cells)


def test_a_page_takes_prose_from_one_and_outputs_from_the_other():
    merged = notebooks.merge(notebook(output="smoke"), notebook(prose="old words", output="full"))
    text = notebooks.render(merged, "x", True)
    assert "full" in text
    assert "smoke" not in text
    assert "old words" not in text


def test_an_executed_copy_of_other_code_is_refused():
    with pytest.raises(ValueError, match="code cell 1 differs from the executed copy"):
        notebooks.merge(notebook(), notebook(code="2 + 2"))


def test_injected_parameters_are_no_cell_of_the_notebook():
    executed = notebook(output="full")
    cell = nbformat.v4.new_code_cell("x = 1", metadata={"tags": [notebooks.INJECTED]})
    executed.cells.insert(1, cell)
    assert notebooks.merge(notebook(), executed).cells[1].outputs[0].text == "full"


def test_notebook_pages_carry_their_formulas_and_load_nothing():
    chart = "```mermaid\nflowchart LR\nA --> B\n```"
    source = notebook(prose=f"$$\\frac{{a}}{{b}}$$ and $\\nonsense{{}}$ and\n{chart}")
    text = notebooks.render(source, "x", False)
    assert html.external(text) == []
    assert len(re.findall(r'<svg [^>]*class="math"', text)) == 1
    assert "<code>\\nonsense{}</code>" in text
    assert "<title>Flowchart: A → B</title>" in text
    assert text == notebooks.render(source, "x", False)


def test_every_formula_of_the_notebooks_can_be_drawn():
    for path in sorted((paths.ROOT / "notebooks").glob("*.ipynb")):
        page = notebooks.render(nbformat.read(path, as_version=4), path.stem, True)
        assert html.external(page) == [], path.name


def test_executed_copies_find_their_notebook(tmp_path):
    source, executed = tmp_path / "notebooks", tmp_path / "executed"
    for folder, name in ((source, "01_data"), (executed, "01_data_insta"), (executed, "99_x")):
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook(output="ran")))
    made = notebooks.render_folder(source, executed, tmp_path / "out", True)
    assert [page.name for page in made] == ["01_data_insta.html"]


def test_links_of_a_notebook_lead_somewhere_from_its_page():
    body = '<a href="01_data.ipynb">a</a> <a href="../lib/x.csv">b</a> <a href="05_y.ipynb">c</a>'
    assert notebooks.relink(body, ["01_data_insta"]) == (
        '<a href="01_data_insta.html">a</a> <a href="../../../lib/x.csv">b</a> '
        '<a href="../../../notebooks/05_y.ipynb">c</a>'
    )


def test_sheets_of_photographs_become_lighter_and_lines_stay():
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    for pixels, kind in ((noise, "webp"), (np.full((300, 300, 3), 255, np.uint8), "png")):
        Image.fromarray(pixels).save(buffer := io.BytesIO(), "PNG")
        body = f'<img src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
        lighter = notebooks.lighten(body)
        assert f"data:image/{kind}" in lighter
        assert lighter == notebooks.lighten(body)
        assert len(lighter) <= len(body)

"""Every committed notebook has the shape that a reader, papermill and nbval rely on.

The rules are functions that return defects; each is shown to catch what it is for.
"""

import ast
import copy
import re
import statistics

import nbformat
import pytest

from lib.paths import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FOLDERS = re.compile(r"(?<![\w.])/(home|root|work|tmp|Users|mnt|opt|var)/")
UNCHECKED = {"nbval-ignore-output", "nbval-skip"}
COMPARED = 5  # cells whose stored output nbval compares word for word, at least
OPENING = ("question", "inputs", "outputs", "running time")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def lines_of(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def text_of(output):
    return output.get("text", "") + "".join(map(str, output.get("data", {}).values()))


def is_compared(cell):
    """Tell whether nbval compares a stored text of this cell."""
    seen = [out for out in cell.outputs if out.get("name") != "stderr" and text_of(out).strip()]
    return bool(seen) and not UNCHECKED & set(cell.metadata.get("tags", []))


def parameters(notebook):
    """Is there one parameters cell, annotated and commented, with the smoke profile?"""
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) != 1:
        return [f"{len(tagged)} cells tagged parameters, not 1"]
    source = tagged[0].source
    defects = [] if 'config: str = "profiles/smoke.yaml"' in source else ["config is not smoke"]
    for node in ast.parse(source).body:
        line = source.splitlines()[node.end_lineno - 1]
        if not isinstance(node, ast.AnnAssign) or "  # " not in line:
            defects.append(f"parameter without type or comment: {line}")
    return defects


def kernel(notebook):
    name = notebook.metadata.get("kernelspec", {}).get("name")
    return [] if name == "python3" else [f"kernelspec is {name}, not python3"]


def execution(notebook):
    """Was every code cell executed, from top to bottom, without an error?"""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    defects = [] if counts == [*range(1, len(counts) + 1)] else [f"execution counts are {counts}"]
    for number, cell in enumerate(code_cells(notebook), start=1):
        for out in cell.outputs:
            if out.output_type == "error":
                defects.append(f"code cell {number} stores an error: {out.ename}")
    return defects


def portability(notebook):
    """Is there no path of one machine, and no command of its shell?"""
    defects = []
    for number, cell in enumerate(notebook.cells, start=1):
        if FOLDERS.search(cell.source + "".join(map(text_of, cell.get("outputs", [])))):
            defects.append(f"cell {number} holds an absolute path")
        if cell.cell_type == "code" and re.search(r"^\s*!", cell.source, re.MULTILINE):
            defects.append(f"cell {number} calls the shell")
    return defects


def proportions(notebook):
    """Are there 20 to 40 cells, 40 to 55 % prose, and short code?"""
    total, code = len(notebook.cells), code_cells(notebook)
    prose = (total - len(code)) / total
    lengths = [len(lines_of(cell)) for cell in code]
    defects = [] if 20 <= total <= 40 else [f"{total} cells, not 20 to 40"]
    defects += [] if 0.40 <= prose <= 0.55 else [f"{prose:.0%} prose, not 40 to 55 %"]
    defects += [] if statistics.median(lengths) <= 6 else ["median code cell over 6 lines"]
    defects += [] if max(lengths) <= 25 else [f"a code cell of {max(lengths)} lines, over 25"]
    for cell in code:
        source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 5:
                defects.append(f"def {node.name} is over 5 lines; it belongs in lib")
    return defects


def story(notebook):
    """Does it open with question, inputs, outputs and running time, and close with checks?"""
    first, last = notebook.cells[0].source.lower(), code_cells(notebook)[-1].source
    defects = [f"the first cell has no {word}" for word in OPENING if word not in first]
    return defects + (
        [] if "assert" in last or "check" in last else ["the last cell checks nothing"]
    )


def comparison(notebook):
    """Does nbval have something to compare?"""
    count = sum(map(is_compared, code_cells(notebook)))
    return [] if count >= COMPARED else [f"{count} compared cells, fewer than {COMPARED}"]


RULES = (parameters, kernel, execution, portability, proportions, story, comparison)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_keeps_the_rule(path, rule):
    assert rule(nbformat.read(path, as_version=4)) == []


def good():
    """Return a notebook that keeps every rule."""
    new = nbformat.v4
    head = "# T\nQuestion: ?\n| inputs | outputs | running time |"
    source = 'config: str = "profiles/smoke.yaml"  # settings'
    cells = [new.new_markdown_cell(head), new.new_code_cell(source)]
    cells[1].metadata.tags = ["parameters"]
    for number in range(9):
        shown = new.new_output("stream", name="stdout", text=f"{number}\n")
        cells += [new.new_markdown_cell("What we expect."), new.new_code_cell("1", outputs=[shown])]
    cells[-1].source = "assert True"
    for number, cell in enumerate((c for c in cells if c.cell_type == "code"), start=1):
        cell.execution_count = number
    notebook = new.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    return notebook


def set_source(index, source):
    def change(notebook):
        notebook.cells[index].source = source

    return change


def set_count(count):
    def change(notebook):
        notebook.cells[3].execution_count = count

    return change


def set_output(output):
    def change(notebook):
        notebook.cells[3].outputs = [output]

    return change


def set_kernel(notebook):
    notebook.metadata.kernelspec.name = "env"


def cut(notebook):
    del notebook.cells[2:14]


def ignore_most(notebook):
    for cell in notebook.cells[3:14]:
        cell.metadata.tags = ["nbval-ignore-output"]


def tag_another(notebook):
    notebook.cells[3].metadata.tags = ["parameters"]


def talk(notebook):
    notebook.cells += [nbformat.v4.new_markdown_cell("more") for _ in range(5)]


ERROR = nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])
ELSEWHERE = "/".join(("", "home", "me", "x"))
FOLDER = nbformat.v4.new_output("stream", name="stdout", text=f"saved {ELSEWHERE}")


@pytest.mark.parametrize(
    ("rule", "change", "finding"),
    [
        (parameters, tag_another, "2 cells tagged parameters"),
        (parameters, set_source(1, 'config: str = "params.yaml"  # s'), "config is not smoke"),
        (parameters, set_source(1, "seed = 3  # s"), "without type or comment: seed = 3"),
        (kernel, set_kernel, "kernelspec is env"),
        (execution, set_count(None), "execution counts are"),
        (execution, set_count(7), "execution counts are"),
        (execution, set_output(ERROR), "code cell 2 stores an error: ValueError"),
        (portability, set_output(FOLDER), "cell 4 holds an absolute path"),
        (portability, set_source(3, f"x = {ELSEWHERE!r}"), "cell 4 holds an absolute path"),
        (portability, set_source(3, "!ls"), "cell 4 calls the shell"),
        (proportions, cut, "8 cells, not 20 to 40"),
        (proportions, talk, "60% prose"),
        (proportions, set_source(3, "x = 1\n" * 26), "a code cell of 26 lines"),
        (proportions, set_source(3, "def f():" + "\n    x = 1" * 5), "def f is over 5 lines"),
        (story, set_source(0, "# Title"), "the first cell has no question"),
        (story, set_source(19, "print('end')"), "the last cell checks nothing"),
        (comparison, ignore_most, "3 compared cells"),
    ],
)
def test_a_broken_notebook_is_caught(rule, change, finding):
    notebook = copy.deepcopy(good())
    assert [defect for each in RULES for defect in each(notebook)] == []
    change(notebook)
    assert any(finding in defect for defect in rule(notebook)), rule(notebook)

"""The engine `strict` refuses what papermill lets pass, and writes the same bytes twice."""

import os
import subprocess
import sys

import nbformat
import papermill
import pytest
from click import ClickException

from lib import notebooks

PARAMETERS = (
    'config: str = "a"\nrate: float = 0.5\nrows: int = 3  # count\nout: str = ""  # output: x'
)


def run(source, target, **parameters):
    return papermill.execute_notebook(
        source, target, parameters, "strict", kernel_name="python3", progress_bar=False
    )


def refusal(*arguments, **parameters):
    with pytest.raises(ClickException) as caught:
        run(*arguments, **parameters)
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"row": 4}, "n.ipynb: unknown parameter row; did you mean rows?"),
        ({"seed": 4}, "n.ipynb: unknown parameter seed; known: config, rate, rows, out"),
        ({"rows": "4"}, "n.ipynb: parameter rows: expected int, got '4'"),
        ({"rows": True}, "n.ipynb: parameter rows: expected int, got True"),
        ({"rate": "1e-4"}, "n.ipynb: parameter rate: expected float, got '1e-4'"),
    ],
)
def test_parameters_are_checked(tmp_path, write_notebook, parameters, message):
    source = write_notebook(tmp_path / "n.ipynb", PARAMETERS)
    assert refusal(source, tmp_path / "o.ipynb", **parameters) == message
    assert not (tmp_path / "o.ipynb").exists()


def test_one_parameters_tag_is_needed(tmp_path, write_notebook):
    source = write_notebook(tmp_path / "n.ipynb", PARAMETERS, tags=())
    expected = "n.ipynb: needs exactly one cell tagged parameters, has 0"
    assert refusal(source, tmp_path / "o.ipynb") == expected
    notebook = nbformat.read(write_notebook(source, PARAMETERS, "x = 1"), as_version=4)
    notebook.cells[1].metadata.tags = ["parameters"]
    nbformat.write(notebook, source)
    assert refusal(source, tmp_path / "o.ipynb").endswith("has 2")


def test_two_runs_are_the_same_bytes(tmp_path, write_notebook):
    noisy = (
        "import sys, time\nfrom tqdm import tqdm\nfrom ipywidgets import IntText\n"
        "for i in tqdm(range(3)):\n"
        "    print(i * rate)\n    sys.stdout.flush()\n    time.sleep(0.01)\n"
        "from tqdm.auto import tqdm as drawn_by_a_widget\n"
        "for i in drawn_by_a_widget(range(7)):\n    pass\nIntText(4)"
    )
    source = write_notebook(
        tmp_path / "n.ipynb", PARAMETERS, noisy, "print('kept', file=sys.stderr)"
    )
    copies = [tmp_path / "deep" / "er" / name for name in ("a.ipynb", "b.ipynb")]
    for copy in copies:
        run(source, copy, rate=2)
    assert copies[0].read_bytes() == copies[1].read_bytes()
    text = copies[0].read_text()
    assert "it/s" not in text
    assert "0/7" not in text
    assert "IntText(value=4)" in text  # a widget that is no bar leaves what it says of itself
    assert "kept" in text
    assert nbformat.read(copies[0], as_version=4).cells[1].id == "injected-parameters"


def test_what_was_measured_is_kept_only_where_no_parameter_was_given(tmp_path, write_notebook):
    source = write_notebook(tmp_path / "n.ipynb", PARAMETERS, "print(7.5)")
    made = nbformat.read(source, as_version=4)
    made.cells[1].metadata.tags = ["measured"]
    nbformat.write(made, source)
    by_itself = run(source, tmp_path / "own.ipynb")
    assert by_itself.cells[-1].outputs[0].text == "7.5\n"
    given = run(source, tmp_path / "given.ipynb", rows=4)
    assert given.cells[-1].outputs[0].text == notebooks.DIFFERS


def test_a_cell_that_leaves_early_or_fails_is_refused(tmp_path, write_notebook):
    source = write_notebook(
        tmp_path / "n.ipynb",
        PARAMETERS,
        "import sys\nif rows == 1:\n    sys.exit(0)\nassert rows < 9, 'too\\nmany'",
        "print('end')",
    )
    target = tmp_path / "o.ipynb"
    assert refusal(source, target, rows=1).startswith("n.ipynb: code cell 3: SystemExit")
    assert refusal(source, target, rows=9).startswith(
        "n.ipynb: code cell 3: AssertionError: too many"
    )
    assert target.exists()  # kept, to be looked at


def test_a_cell_without_execution_count_is_refused():
    cells = [nbformat.v4.new_code_cell("1", execution_count=1), nbformat.v4.new_code_cell("2")]
    with pytest.raises(ClickException, match="code cell 2 of 2 was never run"):
        notebooks.check_executed(nbformat.v4.new_notebook(cells=cells), "n.ipynb", None)


def test_outputs_must_be_there(tmp_path):
    out = tmp_path / "made"
    with pytest.raises(ClickException, match=f"output out is missing: {out}"):
        notebooks.check_outputs(PARAMETERS, {"out": str(out)}, "n.ipynb")
    out.mkdir()
    with pytest.raises(ClickException, match="missing"):
        notebooks.check_outputs(PARAMETERS, {"out": str(out)}, "n.ipynb")
    (out / "file").touch()
    notebooks.check_outputs(PARAMETERS, {"out": str(out)}, "n.ipynb")
    notebooks.check_outputs(PARAMETERS, {"config": "not a file, not an output"}, "n.ipynb")


def test_an_output_folder_may_be_empty_only_where_that_is_declared(tmp_path):
    declared = PARAMETERS.replace("# output: x", "# output, may be empty: x")
    out = tmp_path / "made"
    with pytest.raises(ClickException, match=f"output out is missing: {out}"):
        notebooks.check_outputs(declared, {"out": str(out)}, "n.ipynb")
    out.mkdir()
    notebooks.check_outputs(declared, {"out": str(out)}, "n.ipynb")
    for near in ("output: may be empty", "output (may be empty): x", "output: x, may be empty"):
        source = PARAMETERS.replace("output: x", near)
        with pytest.raises(ClickException, match="missing"):
            notebooks.check_outputs(source, {"out": str(out)}, "n.ipynb")


def test_kernel_is_forced_and_quiet(tmp_path, write_notebook, capfd):
    source = write_notebook(tmp_path / "n.ipynb", PARAMETERS, "import sys; print(sys.prefix)")
    source.write_text(source.read_text().replace('"name": "python3"', '"name": "elsewhere"'))
    made = run(source, tmp_path / "o.ipynb")
    assert made.cells[1].outputs[0].text.strip() == sys.prefix
    assert "encryption" not in capfd.readouterr().err


def test_the_kernel_has_the_threads_of_the_settings(tmp_path, write_notebook, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    asks = "import os; print(os.environ['OMP_NUM_THREADS'])"
    source = write_notebook(tmp_path / "n.ipynb", PARAMETERS, asks)
    for text, threads in (("threads: 3", "3"), ("threads: 0", "5")):
        (tmp_path / "c.yaml").write_text(f"machine: {{{text}}}")
        made = run(source, tmp_path / "o.ipynb", config=str(tmp_path / "c.yaml"))
        assert made.cells[2].outputs[0].text.strip() == threads
    assert os.environ["OMP_NUM_THREADS"] == "5"
    (tmp_path / "c.yaml").write_text("machine: {thread: 3}")
    line = refusal(source, tmp_path / "o.ipynb", config=str(tmp_path / "c.yaml"))
    assert line.endswith("c.yaml: machine.thread: unknown key; did you mean threads?")


def test_command_line_ends_with_one_line(tmp_path, write_notebook):
    source = write_notebook(tmp_path / "n.ipynb", PARAMETERS)
    command = [sys.executable, "-m", "papermill", "--engine", "strict", "--no-progress-bar"]
    command += ["-k", "python3", "-p", "row", "4", str(source), str(tmp_path / "o.ipynb")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    expected = "Error: n.ipynb: unknown parameter row; did you mean rows?"
    assert done.stderr.splitlines()[-1] == expected
    assert "Traceback" not in done.stderr

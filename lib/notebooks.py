"""What a notebook must hold before and after a run, and the form in which its copy is kept."""

from __future__ import annotations

import ast
import difflib
import re
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from click import ClickException  # papermill's command line prints one as a single line, exit 1
from nbformat import NotebookNode
from nbformat.v4 import new_output

INJECTED = "injected-parameters"  # papermill's tag and, here, the id of the cell that it adds
MEASURED = "measured"  # tag of cells that show times or memory
DIFFERS = "What was measured differs with every run; see artefacts/<profile>/runs.\n"
TYPES = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}
# `predictions: str = ""  # output: folder of …`, or `# output, may be empty: folder of …`
OUTPUT = re.compile(r"#\s*output\b(?P<may_be_empty>, may be empty\b)?")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
PROGRESS = re.compile(r".*\[\d+:\d\d(:\d\d)?[<,].*\]\s*")  # a line of tqdm, with its timings
WIDGET = "application/vnd.jupyter.widget-view+json"  # a random id, dead without its kernel


class Declared(NamedTuple):
    """What the parameters cell says of one parameter."""

    kind: type | None  # one of TYPES; None: any value is accepted
    is_output: bool  # a path that the notebook writes
    may_be_empty: bool  # an output folder that some settings leave without a file


def refuse(name: str, reason: str) -> NoReturn:
    """Stop the run with one line."""
    raise ClickException(f"{name}: {reason}")


def parameters_source(nb: NotebookNode, name: str) -> str:
    """Return the code of the one cell tagged `parameters`; refuse none and more than one."""
    tagged = [c.source for c in nb.cells if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) != 1:
        refuse(name, f"needs exactly one cell tagged parameters, has {len(tagged)}")
    return tagged[0]


def declared(source: str) -> dict[str, Declared]:
    """Return name -> what is declared of it, for each assignment in the parameters cell.

    The type is the annotation's, else the default's; None where neither is one of TYPES. A
    parameter is an output when the comment on its line starts with the word `output`; as a folder
    it must hold something in the end, unless the comment starts with `output, may be empty`.
    """
    lines, found = source.splitlines(), {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign):
            target, kind = node.target, TYPES.get(ast.unparse(node.annotation).split("[")[0])
        elif isinstance(node, ast.Assign):
            target, kind = node.targets[0], type(ast.literal_eval(node.value))
        else:
            continue
        output = OUTPUT.search(lines[node.end_lineno - 1])
        found[ast.unparse(target)] = Declared(
            kind, output is not None, output is not None and output["may_be_empty"] is not None
        )
    return found


def check_parameters(source: str, passed: dict[str, Any], name: str) -> None:
    """Refuse a parameter that the notebook does not declare, or a value of another type."""
    known = declared(source)
    for key, value in passed.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
            refuse(name, f"unknown parameter {key}; {hint}")
        kind = known[key].kind
        fits = kind is None or type(value) is kind or (kind is float and type(value) is int)
        if not fits:
            refuse(name, f"parameter {key}: expected {kind.__name__}, got {value!r}")


def check_executed(nb: NotebookNode, name: str, output_path: str | None) -> None:
    """Refuse a run that raised, or that left a code cell out (as `sys.exit(0)` does)."""
    code = [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]
    for number, cell in enumerate(code, start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                print(*output.traceback, sep="\n")
                reason = " ".join(ANSI.sub("", output.evalue).split())
                seen = f" (see {output_path})" if output_path else ""
                refuse(name, f"code cell {number}: {output.ename}: {reason}{seen}")
        if cell.execution_count is None:
            refuse(name, f"code cell {number} of {len(code)} was never run")


def check_outputs(source: str, passed: dict[str, Any], name: str) -> None:
    """Refuse a run after which an output that was asked for is missing or an empty folder.

    An empty folder passes only where the notebook declares that it may be empty.
    """
    for key, known in declared(source).items():
        if not known.is_output or not passed.get(key):
            continue
        path = Path(passed[key])
        empty = path.is_dir() and not any(path.iterdir())
        if not path.exists() or (empty and not known.may_be_empty):
            refuse(name, f"output {key} is missing: {path}")


def normalise(nb: NotebookNode) -> None:
    """Drop, in place, what differs between two equal runs: times, paths, versions, random ids.

    Where parameters were given, also what cells tagged `measured` show; a run by itself keeps it.
    """
    nb.metadata.pop("papermill", None)
    nb.metadata.pop("widgets", None)
    nb.metadata.get("language_info", {}).pop("version", None)
    given = any(INJECTED in cell.metadata.get("tags", []) for cell in nb.cells)
    for cell in nb.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if INJECTED in cell.metadata.get("tags", []):
            cell.id = INJECTED
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _steady(output)]
            if given and MEASURED in cell.metadata.get("tags", []):
                cell.outputs = [new_output("stream", text=DIFFERS)]


def _steady(output: NotebookNode) -> bool:
    """Take the passing things out of an output, in place; tell whether anything is left."""
    if output.output_type == "stream" and output.name == "stderr":
        lines = output.text.splitlines(keepends=True)
        output.text = "".join(line for line in lines if not PROGRESS.fullmatch(line))
        return bool(output.text.strip())
    if "data" in output:
        widget = output.data.pop(WIDGET, None)
        if widget and PROGRESS.fullmatch(output.data.get("text/plain", "")):
            return False  # a bar drawn by a widget, which leaves its first state as text
        return bool(output.data)
    return True

"""Fingerprints: a digest of the code that a notebook or a module uses, transitively.

An expensive stage depends on its fingerprint, not on the files: prose, saved outputs, comments,
docstrings and formatting never retrain, while any code that is used always does. Standard library
only, so that it costs a fraction of a second. Imports are read, not run: those inside functions
count, and so does any text that names a module or a file of ours; names made at run time do not.

    python -m lib.fingerprint --out artefacts/fingerprints notebooks/03_x.ipynb lib.embed
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lib.paths import ROOT

PACKAGE = "lib"
NAME = re.compile(rf"{PACKAGE}(\.\w+)*")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class FingerprintError(ValueError):
    """A target is missing, or its code cannot be read; one line says which and where."""


@dataclass(frozen=True)
class Source:
    """What is read of one notebook or module."""

    digest: str
    imports: tuple[str, ...]  # modules of our package, with the packages they lie in
    files: tuple[str, ...]  # texts that may name files of ours


@cache
def _read(path: Path, package: str, root: Path, changed_ns: int) -> Source:
    """Read a source once for all targets that use it, unless it has changed since."""
    tree = _parse(path, root)
    texts = (text for text in _strings(tree) if text.startswith(f"{PACKAGE}/"))
    return Source(digest(tree), tuple(_imports(tree, package, root)), tuple(texts))


def fingerprint(target: str, root: Path = ROOT) -> str:
    """Return the fingerprint of a notebook (path) or module (dotted name), a line a source.

    Each line is `<sha256, 16 digits>  <path from root>`, the target first, the rest sorted.
    """
    if target.endswith(".ipynb"):
        path, package = root / target, ""
    else:
        path = _module_file(target, root)
        package = target if path and path.stem == "__init__" else target.rpartition(".")[0]
    if path is None or not path.is_file():
        raise FingerprintError(f"{target}: no such notebook or module")
    sources = {path: _read(path, package, root, path.stat().st_mtime_ns)}
    pending = [] if target.endswith(".ipynb") else _started(target, root)
    pending += sources[path].imports
    while pending:
        name = pending.pop()
        found = _module_file(name, root)
        if found not in sources:
            inside = name if found.name == "__init__.py" else name.rpartition(".")[0]
            sources[found] = _read(found, inside, root, found.stat().st_mtime_ns)
            pending += sources[found].imports
    digests = {file: source.digest for file, source in sources.items()}
    first = digests.pop(path)
    for source in _data_files(sources, root):
        digests[source] = hashlib.sha256(source.read_bytes()).hexdigest()
    rest = sorted((source.relative_to(root).as_posix(), value) for source, value in digests.items())
    rows = [(path.relative_to(root).as_posix(), first), *rest]
    return "".join(f"{value[:16]}  {name}\n" for name, value in rows)


def digest(tree: ast.AST) -> str:
    """Return the sha256 of a syntax tree: the same for every layout and Python version."""
    return hashlib.sha256("\n".join(_walk(tree, [])).encode()).hexdigest()


def file_name(target: str) -> str:
    """Return the name of the file that holds a target's fingerprint."""
    return f"{Path(target).stem if target.endswith('.ipynb') else target}.txt"


def _walk(node: object, out: list[str]) -> list[str]:
    """Append a syntax tree as texts. Empty fields are left out: newer Pythons add some."""
    if isinstance(node, ast.AST):
        out.append(type(node).__name__)
        for name in node._fields:
            value = getattr(node, name, None)
            if value is None or value == [] or name in ("ctx", "kind", "type_comment"):
                continue
            if name == "body" and isinstance(node, DOCUMENTED) and _is_docstring(value[0]):
                value = value[1:]
            out.append(f".{name}")
            _walk(value, out)
        out.append("/")
    elif isinstance(node, list):
        for item in node:
            _walk(item, out)
    else:
        out.append(repr(node))
    return out


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _parse(path: Path, root: Path) -> ast.Module:
    """Return the syntax tree of a module, or of all code cells of a notebook."""
    name = path.relative_to(root).as_posix()
    try:
        text = path.read_text(encoding="utf-8")
        return ast.parse(_code(text) if path.suffix == ".ipynb" else text)
    except (SyntaxError, ValueError) as error:
        raise FingerprintError(f"{name}: {error}") from None


def _code(notebook: str) -> str:
    """Return the code cells of a notebook as one text; lines for IPython become plain strings."""
    lines = []
    for cell in json.loads(notebook)["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        for line in source.splitlines():
            bare = line.lstrip()
            if bare.startswith(("%", "!")):
                line = line[: len(line) - len(bare)] + f"_ = {bare!r}"
            lines.append(line)
    return "\n".join(["_ = None  # not a docstring, whatever comes next", *lines])


def _imports(tree: ast.AST, package: str, root: Path) -> list[str]:
    """Return the modules of our package that a tree imports, with the packages they lie in.

    `package` is the dotted name against which relative imports are read.
    """
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    names += [text.partition(":")[0] for text in _strings(tree)]  # "lib.data.x:read" in a registry
    found: list[str] = []
    for name in names:
        if NAME.fullmatch(name):
            found += [*_parents(name, root), *([name] if _module_file(name, root) else [])]
    return found


def _strings(tree: ast.AST) -> Iterator[str]:
    """Yield the text constants of a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _parents(name: str, root: Path) -> list[str]:
    """Return the packages that a dotted name lies in: importing it runs their __init__ too."""
    parts = name.split(".")
    above = (".".join(parts[:depth]) for depth in range(1, len(parts)))
    return [parent for parent in above if _module_file(parent, root)]


def _started(name: str, root: Path) -> list[str]:
    """Return what `python -m name` runs besides name: packages above, a package's __main__."""
    main = f"{name}.__main__"
    return [*_parents(name, root), *([main] if _module_file(main, root) else [])]


def _module_file(name: str, root: Path) -> Path | None:
    """Return the file of a dotted module name, or None where there is none."""
    base = root.joinpath(*name.split("."))
    candidates = (base.with_name(f"{base.name}.py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _data_files(sources: dict[Path, Source], root: Path) -> set[Path]:
    """Return the files that used code reads: those of its packages' `data` folders, and any file
    of ours whose path stands in the code as a text.

    A folder `data` that is itself a package holds code, which the imports account for.
    """
    modules = [source for source in sources if source.suffix == ".py"]
    folders = {source.parent / "data" for source in modules}
    found = {
        path
        for folder in folders
        if folder.is_dir() and not (folder / "__init__.py").is_file()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    named = {root / text for source in sources.values() for text in source.files}
    return found | {path for path in named if path not in sources and path.is_file()}


def write(targets: list[str], folder: Path, root: Path = ROOT) -> None:
    """Write the fingerprint of each target into `folder`; nothing is written if one fails."""
    texts = {file_name(target): fingerprint(target, root) for target in targets}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        part = folder / f".{name}.part"
        part.write_text(text, encoding="utf-8")
        os.replace(part, folder / name)


def main() -> None:
    """Write the fingerprints of the targets named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="+", help="notebooks (path) and modules (dotted name)")
    parser.add_argument("--out", required=True, type=Path, help="folder for the fingerprints")
    arguments = parser.parse_args()
    try:
        write(arguments.targets, ROOT / arguments.out)
    except FingerprintError as error:
        sys.exit(f"fingerprint: {error}")


if __name__ == "__main__":
    main()

"""The fingerprint rule: code that is used changes it, nothing else does."""

import json
import subprocess
import sys

import pytest

from lib import fingerprint as fp
from lib.paths import ROOT

FILES = {
    "lib/__init__.py": "",
    "lib/a.py": '"""Doc."""\nfrom lib.sub import b\n\n\ndef f(x):\n    return b.g(x)\n',
    "lib/lazy.py": "VALUE = 1\n",
    "lib/other.py": "UNUSED = 1\n",
    "lib/sub/__init__.py": "from .c import STEP\n",
    "lib/sub/b.py": (
        "from . import d\n\n\ndef g(x):\n    from lib.lazy import VALUE\n    return x + VALUE\n"
    ),
    "lib/sub/c.py": "STEP = 1\n",
    "lib/sub/d.py": "READERS = {'e': 'lib.sub.e:LAST'}\nTABLE = 'lib/table.csv'\n",
    "lib/sub/e.py": "LAST = 'text'\n",
    "lib/sub/unused.py": "NOTHING = 0\n",
    "lib/sub/data/table.csv": "a,b\n1,2\n",
    "lib/table.csv": "c\n1,2\n",
}
CELLS = [
    ("markdown", "# Title"),
    ("code", "# a comment\n%matplotlib inline\nfrom lib.a import f\nf(1)"),
]


@pytest.fixture
def project(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    write_notebook(tmp_path, CELLS)
    return tmp_path


def write_notebook(root, cells, outputs=()):
    body = [
        {"cell_type": kind, "source": source, **({"outputs": outputs} if kind == "code" else {})}
        for kind, source in cells
    ]
    (root / "n.ipynb").write_text(json.dumps({"cells": body}))


def names(text):
    return [line.split("  ")[1] for line in text.splitlines()]


def test_transitive_closure_is_complete(project):
    found = names(fp.fingerprint("n.ipynb", project))
    used = sorted(set(FILES) - {"lib/other.py", "lib/sub/unused.py"})
    assert found == ["n.ipynb", *used]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("lib/a.py", '"""Doc."""', '"""Another."""  # and a comment'),
        ("lib/a.py", "return b.g(x)", "return b.g(\n        x,\n    )"),
        ("lib/sub/e.py", "'text'", '"text"'),
        ("lib/other.py", "1", "2"),
        ("lib/sub/unused.py", "0", "1"),
    ],
)
def test_layout_comments_and_unrelated_modules_do_not_count(project, name, old, new):
    before = fp.fingerprint("n.ipynb", project)
    path = project / name
    path.write_text(path.read_text().replace(old, new))
    assert path.read_text() != FILES[name]
    assert fp.fingerprint("n.ipynb", project) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("lib/a.py", "b.g(x)", "b.g(-x)"),
        ("lib/lazy.py", "1", "2"),  # imported inside a function
        ("lib/sub/c.py", "1", "2"),  # imported by the package's __init__
        ("lib/sub/e.py", "text", "word"),  # a string constant, in a module that a registry names
        ("lib/sub/data/table.csv", "1,2", "1,3"),  # a packaged table
        ("lib/table.csv", "1,2", "1,3"),  # a table whose path stands in the code
    ],
)
def test_used_code_and_data_count(project, name, old, new):
    before = fp.fingerprint("n.ipynb", project)
    path = project / name
    path.write_text(path.read_text().replace(old, new))
    after = fp.fingerprint("n.ipynb", project)
    changed = [b for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert names("\n".join(changed)) == [name]


def test_notebook_prose_and_outputs_do_not_count_but_code_does(project):
    before = fp.fingerprint("n.ipynb", project)
    write_notebook(project, [("markdown", "# New"), *CELLS[1:], ("markdown", "x")], ["out"])
    assert fp.fingerprint("n.ipynb", project) == before
    write_notebook(project, [("code", CELLS[1][1].replace("f(1)", "f(2)"))])
    assert fp.fingerprint("n.ipynb", project) != before


def test_a_magic_and_a_leading_string_count(project):
    write_notebook(project, [("code", "'text'\n%time f()")])
    before = fp.fingerprint("n.ipynb", project)
    for cell in ("'other'\n%time f()", "'text'\n%time g()"):
        write_notebook(project, [("code", cell)])
        assert fp.fingerprint("n.ipynb", project) != before


def test_module_target_includes_itself_and_its_packages(project):
    found = names(fp.fingerprint("lib.sub.e", project))
    assert found[0] == "lib/sub/e.py"
    assert {"lib/__init__.py", "lib/sub/__init__.py", "lib/sub/c.py"} <= set(found)


def test_a_package_target_includes_its_main(project):
    (project / "lib/sub/__main__.py").write_text("from .unused import NOTHING\n")
    found = names(fp.fingerprint("lib.sub", project))
    assert found[0] == "lib/sub/__init__.py"
    assert {"lib/sub/__main__.py", "lib/sub/unused.py", "lib/sub/c.py"} <= set(found)


def test_digest_is_the_same_in_every_python_version():
    """A fixed value: it moves when the digest comes to depend on the interpreter."""
    text = 'def f(x: int = 1, *a) -> str:\n    """Doc."""\n    return f"{x:.2f} {a!r}" "b"\n'
    assert fp.digest(fp.ast.parse(text))[:16] == "55a0e9a77aa1813e"


def test_broken_and_missing_targets_are_one_line(project):
    (project / "lib/a.py").write_text("def f(:\n")
    with pytest.raises(fp.FingerprintError, match=r"lib/a\.py: invalid syntax"):
        fp.fingerprint("n.ipynb", project)
    with pytest.raises(fp.FingerprintError, match=r"lib\.nosuch: no such notebook or module"):
        fp.write(["lib.lazy", "lib.nosuch"], project / "out", project)
    assert not (project / "out").exists()


def test_command_line_is_quick_and_needs_the_standard_library_only(tmp_path):
    command = [sys.executable, "-S", "-m", "lib.fingerprint", "lib.fingerprint"]
    subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, check=True)
    assert names((tmp_path / "lib.fingerprint.txt").read_text()) == [
        "lib/fingerprint.py",
        "lib/__init__.py",
        "lib/paths.py",
    ]

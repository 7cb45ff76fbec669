"""nbval, as `make test` calls it, fails on a corrupted number and passes the untouched notebook."""

import re
import subprocess
import sys

import papermill
import pytest

from lib.paths import ROOT

CELLS = (
    'config: str = "profiles/smoke.yaml"  # settings\nrows: int = 60  # rows',
    "print(f'accuracy {1 / 3:.4f} of 60 rows')",
    "import time\nprint(f'took {time.perf_counter():.6f} s', object())",
)


@pytest.fixture(scope="module")
def flags():
    """Return the options of nbval in the Makefile, so that the test cannot drift from it."""
    recipe = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    return re.search(r"(-p no:cacheprovider --nbval .*) notebooks\n", recipe)[1].split()


def test_a_corrupted_number_fails_and_the_untouched_passes(tmp_path, write_notebook, flags):
    assert "--nbval-lax" not in flags
    source = write_notebook(tmp_path / "source.ipynb", *CELLS)
    good = tmp_path / "good.ipynb"
    papermill.execute_notebook(
        source, good, {}, "strict", kernel_name="python3", progress_bar=False
    )
    text = good.read_text()
    assert "accuracy 0.3333" in text
    (tmp_path / "bad.ipynb").write_text(text.replace("accuracy 0.3333", "accuracy 0.3334"))
    command = [sys.executable, "-m", "pytest", *flags, f"{good}", f"{tmp_path}/bad.ipynb"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    expected = r"'accuracy 0.3334 of 60 rows\n' == 'accuracy 0.3333 of 60 rows\n'"
    assert expected in done.stdout, done.stdout
    assert re.search(rf"^1 failed, {2 * len(CELLS) - 1} passed", done.stdout, re.MULTILINE)
    assert done.returncode == 1

"""What every test gets: no network, quiet tokenizers, and a maker of small notebooks."""

import os

import nbformat
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"


collect_ignore = ["data"]  # fixtures, of which some bear official names such as test_*.txt


@pytest.fixture
def write_notebook():
    """Return a function that writes a notebook of code cells, the first tagged parameters."""

    def write(path, *sources, tags=("parameters",)):
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        cells[0].metadata.tags = list(tags)
        for number, cell in enumerate(cells):
            cell.id = f"cell-{number}"
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata.kernelspec = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return path

    return write

"""The papermill engine `strict`: a notebook runs whole, with known parameters, or it fails.

papermill alone runs a misspelt parameter with the default, ends well when a cell leaves by
`sys.exit(0)`, and stamps every copy with the time (each was tried). `strict` refuses these, each
in one line with a non-zero exit, and saves a copy that is the same byte for byte every time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from papermill.engines import NBClientEngine
from papermill.iorw import write_ipynb
from traitlets.config import Config

from lib import notebooks, provenance

KERNEL = "python3"


class StrictEngine(NBClientEngine):
    """papermill's own engine with the checks of lib.notebooks before and after the run."""

    @classmethod
    def nb_kernel_name(cls, nb: NotebookNode, name: str | None = None) -> str:
        """Return the one kernel we run on, whatever the notebook was saved by."""
        return KERNEL

    @classmethod
    def nb_language(cls, nb: NotebookNode, language: str | None = None) -> str:
        """Return the one language of our notebooks."""
        return "python"

    @classmethod
    def execute_notebook(
        cls, nb: NotebookNode, kernel_name: str, output_path: str | None = None, **kwargs: Any
    ) -> NotebookNode:
        """Check the parameters, run every cell, check what came out, return a normalised copy.

        Raises ClickException, one line naming notebook and parameter, cell or output.
        """
        name = Path(kwargs.get("input_path") or "notebook").name
        passed = dict(nb.metadata.papermill.get("parameters", {}))
        source = notebooks.parameters_source(nb, name)
        notebooks.check_parameters(source, passed, name)
        if output_path:
            Path(output_path).parent.mkdir(parents=True, exist_ok=True)
        config = Config({"KernelManager": {"transport_encryption": "auto"}})
        record = provenance.record_path(output_path) if output_path else None
        with provenance.run_record(record, name, passed):
            nb = super().execute_notebook(
                nb, KERNEL, output_path, config=config, coalesce_streams=True, **kwargs
            )
        notebooks.check_executed(nb, name, output_path)
        notebooks.check_outputs(source, passed, name)
        notebooks.normalise(nb)
        if output_path:
            write_ipynb(nb, output_path)
        return nb

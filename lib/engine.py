"""The papermill engine `strict`: a notebook runs whole, with known parameters, or it fails.

papermill alone runs a misspelt parameter with the default, ends well when a cell leaves by
`sys.exit(0)`, and stamps every copy with the time (each was tried). `strict` refuses these, each
in one line with a non-zero exit, and saves a copy that is the same byte for byte every time: it
also gives the kernel the `threads` of the settings, as sums round in an order that depends on them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click import ClickException
from nbformat import NotebookNode
from papermill.engines import NBClientEngine
from papermill.iorw import write_ipynb
from traitlets.config import Config

from lib import notebooks, params, provenance
from lib.machine import SECTION, Machine

KERNEL = "python3"
THREADS = "OMP_NUM_THREADS"


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
        with provenance.run_record(record, name, passed), _threads(passed):
            nb = super().execute_notebook(
                nb, KERNEL, output_path, config=config, coalesce_streams=True, **kwargs
            )
        notebooks.check_executed(nb, name, output_path)
        notebooks.check_outputs(source, passed, name)
        notebooks.normalise(nb)
        if output_path:
            write_ipynb(nb, output_path)
        return nb


@contextmanager
def _threads(passed: Mapping[str, Any]) -> Iterator[None]:
    """Set the threads of one process's arithmetic as the settings say, for the kernel to inherit.

    With `threads` 0, or a notebook without settings, what is set stays.
    """
    try:
        config = passed.get("config")
        machine = params.load(config, SECTION, Machine) if config else Machine()
    except params.ParamsError as error:
        raise ClickException(str(error)) from None
    before = os.environ.get(THREADS)
    if machine.threads:
        os.environ[THREADS] = str(machine.threads)
    try:
        yield
    finally:
        os.environ.pop(THREADS, None)
        if before is not None:
            os.environ[THREADS] = before

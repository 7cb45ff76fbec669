"""Where things stand: every path of the project, resolved from the repository root.

Notebooks run from several working directories (papermill: the caller's; JupyterLab and nbval:
the notebook's own), so nothing may depend on it.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def resolve(path: str | Path) -> Path:
    """Return `path` as an absolute path; a relative one is taken from the repository root."""
    path = Path(path).expanduser()
    return path if path.is_absolute() else ROOT / path


def relative(path: str | Path) -> str:
    """Return `path` as shown to a reader: from the root where it lies inside it, with slashes."""
    path = resolve(path)
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def scratch(*parts: str) -> Path:
    """Return the folder `.scratch/<parts>`, created; git and DVC ignore it.

    Interactive runs write here, so that they can never overwrite what the pipeline made.
    """
    folder = ROOT.joinpath(".scratch", *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder

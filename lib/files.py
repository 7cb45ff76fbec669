"""The files of a data set, each with its digest: one file that stands for thousands.

    python -m lib.files --root data/sample/instacities --out data/pairs/sample/instacities.sha256

The stages behind it depend on this list, not on the folder: DVC looks at the folder once, not once
a stage, and any file that changes, comes or goes still runs them again. `sha256sum --check` reads
it too. Standard library only, so that it costs a fraction of a second.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from lib import paths
from lib.provenance import file_digest


def listing(root: Path) -> str:
    """Return a line `<sha256>  <path from root>` for every file, by path; ValueError if none."""
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    if not files:
        raise ValueError(f"{paths.relative(root)}: no files; is the data set there?")
    return "".join(f"{file_digest(root / name)}  {name}\n" for name in files)


def main(argv: list[str] | None = None) -> None:
    """Write the list of a folder's files; it appears whole."""
    parser = argparse.ArgumentParser(prog="python -m lib.files")
    parser.add_argument("--root", required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args(argv)
    out = paths.resolve(args.out)
    try:
        text = listing(paths.resolve(args.root))
    except (OSError, ValueError) as error:
        sys.exit(f"files: {error}")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, out)
    print(f"{args.out}: {text.count(chr(10))} files")


if __name__ == "__main__":
    main()

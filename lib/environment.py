"""The environment: builds `.venv` from the lock, once, with any Python; standard library only.

    python3.11 -m lib.environment

It is run by the system's Python before anything is installed, and must give its one-line reasons
to an old one too; so it keeps to syntax that Python 3.6 reads.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WANTED = (3, 11)
INSTALLED_GB = 8
NEEDED_GB = 9  # measured: 8.0 installed, .6 for the largest download, unpacked one at a time
CACHE_GB = 4  # pip keeps 3.7 of downloads, where there is room for them
LARGE = ("torch==", "triton==", "nvidia-")  # two thirds of the environment in 17 packages
RESUME = "run the same command again, it goes on from here"


class EnvironmentProblem(Exception):
    """The environment cannot be built; one line says why and what to do."""


def check_python(version=None):
    """Raise unless this is the Python that the lock was made for, with what builds a venv."""
    version = tuple(version or sys.version_info)[:2]
    if version != WANTED:
        raise EnvironmentProblem(
            f"Python 3.11 is needed, found {version[0]}.{version[1]}; install it, "
            "or name it: make PYTHON=/path/python3.11"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        raise EnvironmentProblem(
            f"this Python has no module {error.name}; "
            "on Debian or Ubuntu: apt-get install python3.11-venv"
        ) from None


def check_disk(folder, free_gb=None):
    """Raise unless the disk has room for the packages; return the options that fit the room."""
    there = folder / ".venv"
    present = sum(path.lstat().st_size for path in there.rglob("*")) if there.exists() else 0
    free = shutil.disk_usage(str(folder)).free / 1e9 if free_gb is None else free_gb
    room = free + present / 1e9
    if room < NEEDED_GB:
        raise EnvironmentProblem(
            f"the environment needs {NEEDED_GB} GB of disk while it is built "
            f"({INSTALLED_GB} GB after), {free:.1f} GB are free"
        )
    return [] if room >= NEEDED_GB + CACHE_GB else ["--no-cache-dir"]


def steps(lock):
    """Return (label, what to install) in turn: a large package at a time, then the whole lock.

    pip keeps all downloads of one call until the last is unpacked; a call for each of the large
    packages needs room for one of them at a time.
    """
    pins = [line.strip() for line in lock.read_text().splitlines()]
    large = [pin for pin in pins if pin.startswith(LARGE)]
    return [(pin, [pin]) for pin in large] + [("packages", ["-r", lock])]


def stamp(root):
    """Return the digest of what the environment is built from, and for which place."""
    sources = [(root / name).read_bytes() for name in ("requirements.txt", "pyproject.toml")]
    return hashlib.sha256(b"\0".join([*sources, str(root).encode()])).hexdigest()


def is_ready(root):
    """Tell whether `.venv` is complete and belongs to the lock as it is now."""
    path = root / ".venv" / ".stamp"
    return path.is_file() and path.read_text().strip() == stamp(root)


def python_of(root):
    """Return the environment's own interpreter."""
    return root / ".venv" / "bin" / "python"


def run(command, log, label, every=10.0):
    """Run a command into a log file; print what it is at and the seconds, now and then."""
    begun = last = time.time()
    with open(str(log), "a") as sink:
        sink.write(f"$ {' '.join(map(str, command))}\n")
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, PYTHONUNBUFFERED="1"),
        )
        packages = 0
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace")
            sink.write(line)
            sink.flush()
            packages += line.startswith(("Collecting", "Processing", "Requirement already"))
            stage = "installing" if line.startswith("Installing") else f"{packages} packages"
            if time.time() - last >= every or stage == "installing":
                print(f"  {label}: {stage}, {time.time() - begun:.0f} s", flush=True)
                last = time.time()
        if process.wait() != 0:
            raise EnvironmentProblem(f"{label} failed: {reason(log)}")


def reason(log):
    """Return the last telling line of a log, and where to read the rest."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")] or lines
    return f"{errors[-1]} ({log})"


def build(root):
    """Build or bring up to date `.venv`; an interrupted build is gone on with."""
    target, mark = root / ".venv", root / ".venv" / ".stamp"
    fitting = check_disk(root)
    if mark.exists():
        mark.unlink()  # from here to the end the environment counts as incomplete
    log = root / ".scratch" / "setup.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("")
    python = python_of(root)
    if not works(python):
        if target.exists():
            shutil.rmtree(str(target))
        run([sys.executable, "-m", "venv", target], log, "new environment")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    pip += ["--progress-bar=off", *fitting]
    pip.append("--no-deps")  # the lock is whole; pip would add the OpenCV that links libGL
    for label, packages in steps(root / "requirements.txt"):
        run([*pip, *packages], log, label)
    run([*pip, "--no-build-isolation", "-e", root], log, "lib")
    part = target / ".stamp.part"
    part.write_text(stamp(root) + "\n")
    os.replace(str(part), str(mark))


def works(python):
    """Tell whether an environment's interpreter and its pip can be run."""
    if not python.exists():
        return False
    done = subprocess.run(
        [str(python), "-m", "pip", "--version"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return done.returncode == 0


def main():
    """Build the environment where it is missing or out of date; say how long it took."""
    if is_ready(ROOT):
        return
    begun = time.time()
    try:
        check_python()
        print("Setting up .venv (once; a few minutes, more on a slow line)", flush=True)
        build(ROOT)
    except EnvironmentProblem as problem:
        sys.exit(f"set-up: {problem}")
    except KeyboardInterrupt:
        sys.exit(f"set-up: interrupted; {RESUME}")
    print(f"Set-up took {(time.time() - begun) / 60:.1f} minutes", flush=True)


if __name__ == "__main__":
    main()

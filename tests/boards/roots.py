"""Root file systems of the boards, made once and kept.

    python tests/boards/roots.py [--cache DIR] [--prune] [NAME ...]

A root lies whole in ``DIR/NAME-DIGEST``, or not at all. The digest is of this file, which is the recipe: a board never
runs on a stale root, nor loses its own to a newer one. DIR is ``$EDGE_LSTM_ROOTS``, else ``~/.cache/edge-lstm/roots``.
Needs root, mmdebstrap and a Debian mirror.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).read_bytes()

SUITE = "bookworm"
PYTHON = "3.11"
"""Of the suite."""

HOOKS = "/usr/share/mmdebstrap/hooks"

MIRROR = "http://deb.debian.org/debian"
"""Where this machine's own apt knows none of the suite."""

WHEELS = "opt/wheels"
"""In a root: a folder a set of wheels, which a board puts on its Python's path or leaves out."""

# What Raspberry Pi OS Lite has as well: a shell's tools, and a Python that has the standard library and nothing else.
TOOLS = ("bash", "coreutils", "dash", "debianutils", "findutils", "grep", "gzip", "hostname", "libc-bin", "mawk")
TOOLS += ("procps", "python3", "sed", "tar", "util-linux")
SYSTEM = ("dbus", "libpam-systemd", "openssh-server", "sudo", "systemd", "systemd-sysv")

BASE = ("click>=8.1", "safetensors>=0.4.3")
NUMPY = "numpy==1.26.4"
"""The last that tflite-runtime takes."""

TFLITE = {"tflite-runtime": ("tflite-runtime==2.14.0",)}
LITERT = {"litert": ("ai-edge-litert==2.3.0",)}

MANYLINUX = ("_2_34", "_2_31", "_2_28", "_2_27", "_2_17", "2014")
"""Wheels with these tags run on the suite."""


@dataclass(frozen=True)
class Recipe:
    """One root.

    Args:
        architecture: as Debian calls it.
        machine: as ``uname -m`` and wheels call it.
        variant: of mmdebstrap. ``extract`` runs nothing of the root, so that it needs no emulation.
        wheels: set → requirements. ``base`` is what edge-lstm itself needs.
        moved: Debian's packages of Python that belong to ``base``, because no wheel is to be had.
    """

    architecture: str
    machine: str
    variant: str
    packages: tuple[str, ...]
    wheels: dict[str, tuple[str, ...]]
    moved: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Of everything that decides what the root holds."""
        return hashlib.sha256(repr(self).encode() + SOURCE).hexdigest()[:12]


RECIPES = {
    "arm64": Recipe("arm64", "aarch64", "extract", (*TOOLS, "libstdc++6"), {"base": (*BASE, NUMPY)} | TFLITE | LITERT),
    "armhf": Recipe(
        "armhf", "armv7l", "extract", (*TOOLS, "libstdc++6", "python3-numpy"), {"base": BASE} | TFLITE, ("numpy",)
    ),
    # For ARMv6: Debian's armhf is ARMv7. There are no wheels for it, and its floating point is in software.
    "armel": Recipe("armel", "armv6l", "extract", TOOLS, {}),
    "amd64": Recipe("amd64", "x86_64", "minbase", (*TOOLS, *SYSTEM), {"base": (*BASE, NUMPY)} | TFLITE),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(RECIPES)}; all if left out")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where they are kept")
    parser.add_argument("--prune", action="store_true", help="delete those of other recipes as well")
    asked, say, began = parser.parse_args(), functools.partial(print, flush=True), time.monotonic()
    for name in asked.names or RECIPES:
        root(name, asked.cache, say)
    if asked.prune:
        prune(asked.cache, say)
    say(f"all {time.monotonic() - began:.1f} s")


def root(name: str, cache: Path | None = None, say: Callable[[str], None] = lambda line: None) -> Path:
    """The root of that name, made if it is missing or stale. Several processes may ask at once; one makes it.

    Args:
        say: is told each step and its seconds.

    Raises:
        RuntimeError: if it cannot be made; the message holds the tool's last words.
    """
    recipe, cache = RECIPES[name], cache or default_cache()
    made = cache / f"{name}-{recipe.digest}"
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{name}.lock"):
        if made.exists():
            say(f"{name}: kept, {made}")
            return made
        began, part = time.monotonic(), cache / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        for what, step in STEPS.items():
            step_began = time.monotonic()
            step(recipe, part)
            say(f"{name}: {what} {time.monotonic() - step_began:.1f} s")
        part.rename(made)
        say(f"{name}: made in {time.monotonic() - began:.1f} s, {made}")
    return made


def prune(cache: Path, say: Callable[[str], None]) -> None:
    """Delete the roots of other recipes; no board may be running on them."""
    kept = {f"{name}-{recipe.digest}" for name, recipe in RECIPES.items()}
    for folder in cache.glob("*-*"):
        if folder.name not in kept:
            shutil.rmtree(folder)
            say(f"deleted {folder}")


def default_cache() -> Path:
    return Path(os.environ.get("EDGE_LSTM_ROOTS", "~/.cache/edge-lstm/roots")).expanduser()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _packages(recipe: Recipe, root: Path) -> None:
    # With the suite alone: on armhf the mirrors of updates fail now and then, and nothing here needs them.
    source = f"deb {mirror()} {SUITE} main"
    wanted = f"--include={','.join(recipe.packages)}"
    options = [f"--arch={recipe.architecture}", f"--variant={recipe.variant}", "--mode=root", "--quiet", wanted]
    # /bin is /usr/bin on every system of the suite, but only a package's script, or this hook, makes it so.
    _run(["mmdebstrap", *options, f"--hook-dir={HOOKS}/merged-usr", SUITE, root, source])


def mirror() -> str:
    """The mirror of the suite that this machine's apt uses."""
    asked = ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    rows = [line.split() for line in done.stdout.splitlines()]
    return next((site for site, *rest in rows if rest == [SUITE, "main"]), MIRROR)


def _alternatives(recipe: Recipe, root: Path) -> None:
    """Links that packages make when they are configured, which ``extract`` leaves out."""
    for target, link in ALTERNATIVES.items():
        for found in root.glob(target):
            path = found.parent / link
            if not path.exists():
                path.symlink_to(os.path.relpath(found, path.parent))


ALTERNATIVES = {
    "usr/bin/mawk": "awk",
    "usr/bin/which.debianutils": "which",
    "usr/lib/*/blas/libblas.so.3": "../libblas.so.3",
    "usr/lib/*/lapack/liblapack.so.3": "../liblapack.so.3",
}
"""File → the link to it, from its folder."""


def _wheels(recipe: Recipe, root: Path) -> None:
    platforms = [f"manylinux{version}_{recipe.machine}" for version in MANYLINUX]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
    pip += ["--python-version", PYTHON, "--implementation", "cp", "--no-compile"]
    pip += [word for platform in platforms for word in ("--platform", platform)]
    for name, requirements in recipe.wheels.items():
        _run([*pip, "--target", root / WHEELS / name, *requirements])
    for name in recipe.moved:
        (root / "usr/lib/python3/dist-packages" / name).rename(root / WHEELS / "base" / name)


def _bytecode(recipe: Recipe, root: Path) -> None:
    compile_python(root, root / "usr/lib/python3", root / f"usr/lib/python{PYTHON}", root / WHEELS)


def compile_python(root: Path, *trees: Path) -> None:
    """As an installed system is; it would be most of an emulated Python's start. Only the same Python can do it."""
    if sys.version_info[:2] == tuple(map(int, PYTHON.split("."))):
        compiled = [sys.executable, "-m", "compileall", "-q", "-j0", "-s", root, "-p", "/", *trees]
        subprocess.run(compiled, check=False, capture_output=True)  # lib2to3 holds examples of Python 2


def _user(recipe: Recipe, root: Path) -> None:
    """``pi``, as on a Raspberry Pi; whoever connects must have the key."""
    configured = recipe.variant != "extract"
    for name, own in ACCOUNTS.items():
        path = root / "etc" / name
        lines = path.read_text().splitlines() if configured else own
        path.write_text("\n".join([*lines, USER[name]]) + "\n")
    home = root / "home/pi"
    home.mkdir(parents=True)
    os.chown(home, 1000, 1000)


USER = {
    "passwd": "pi:x:1000:1000::/home/pi:/bin/bash",
    "group": "pi:x:1000:",
    "shadow": "pi:*:19000:0:99999:7:::",
}

ACCOUNTS = {
    "passwd": ("root:x:0:0:root:/root:/bin/bash", "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin"),
    "group": ("root:x:0:", "tty:x:5:", "dialout:x:20:pi", "nogroup:x:65534:"),
    "shadow": ("root:*:19000:0:99999:7:::", "sshd:!:19000::::::"),
}
"""Of a root whose packages have not been configured."""


def _system(recipe: Recipe, root: Path) -> None:
    """What lets a root boot."""
    if recipe.variant == "extract":
        return
    (root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
    (root / "etc/sudoers.d/pi").write_text("pi ALL=(ALL) NOPASSWD: ALL\n")
    _run(["chroot", root, "usermod", "--append", "--groups", "adm,dialout,sudo", "pi"])


STEPS = {
    "packages": _packages,
    "alternatives": _alternatives,
    "wheels": _wheels,
    "bytecode": _bytecode,
    "user": _user,
    "system": _system,
}


def _run(command: list[object]) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-12:])
        raise RuntimeError(f"{words[0]} ended with exit code {done.returncode}: {' '.join(words)}\n{last}")


if __name__ == "__main__":
    main()

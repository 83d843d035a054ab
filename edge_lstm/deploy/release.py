"""What of a bundle a board gets, and the archive that carries it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from edge_lstm.bundle import (
    DEPLOYMENT,
    EDGE_TPU_FOLDER,
    FLOAT_MODEL,
    MANIFEST,
    MODEL_FILES,
    ONNX,
    PROGRAM,
    SHIM,
    STEP_MODEL,
    TFLITE_FUSED,
    TFLITE_STEP,
    Bundle,
)
from edge_lstm.datasets.settings import suggestion
from edge_lstm.errors import BundleError, DeployError, ProjectError
from edge_lstm.signing import SIGNATURE

SCHEMA = 1
SUMS = "SHA256SUMS"

ALWAYS = ("linux/{arch}/*", SHIM, MODEL_FILES["native"])
"""What every board gets, besides the manifest and its signature."""

WITH = {
    "tflite": (TFLITE_FUSED, MODEL_FILES["tflite"]),
    "step": (TFLITE_STEP, STEP_MODEL),
    "edgetpu": (TFLITE_STEP, STEP_MODEL, f"{EDGE_TPU_FOLDER}/*"),
    "golden": ("golden/*",),
    "float": (FLOAT_MODEL,),
    "onnx": (ONNX,),
    "c": ("c/*",),
    "all": ("*",),
}
"""What ``--with NAME`` adds."""

RECORD = tarfile.RECORDSIZE
"""Bytes of which an archive is a multiple."""

BLOCK = 4096
"""Bytes that a file system gives out at a time."""

LONGEST_NAME = 200


@dataclass(frozen=True, eq=False)
class Release:
    """A part of a bundle, as it lies in a folder of a board.

    Args:
        id: the first 12 hexadecimal digits of the sha256 of its manifest.
        name: of the model.
        arch: of the board.
        files: path → content, with the sums of all others last.
        model: sha256 of its native model.
    """

    id: str
    name: str
    arch: str
    files: dict[str, bytes]
    model: str

    @property
    def sums(self) -> str:
        """sha256 of its list of sums, which stands for all of it."""
        return hashlib.sha256(self.files[SUMS]).hexdigest()

    @property
    def size(self) -> int:
        return sum(map(len, self.files.values()))

    @property
    def room(self) -> int:
        """Bytes that a file system needs for it."""
        folders = {parent for name in self.files for parent in PurePosixPath(name).parents}
        return BLOCK * (sum(-(-len(content) // BLOCK) for content in self.files.values()) + len(folders) + 2)

    def archive(self) -> bytes:
        """A tar archive; the same release gives the same bytes."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name, content in self.files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                entry.mode = 0o755 if _runs(name) else 0o644
                tar.addfile(entry, io.BytesIO(content))
        return out.getvalue()


def make_release(bundle: Bundle, arch: str, extras: Iterable[str]) -> Release:
    """Choose the files of a board.

    Args:
        extras: keys of ``WITH``.

    Raises:
        BundleError: if the bundle's name cannot be a folder's, or it is too long a path for an archive.
        DeployError: if it holds no program for such a board, or nothing of what an extra names.
    """
    require_name(bundle)
    chosen = _chosen(bundle, arch, extras)
    manifest = (bundle.path / MANIFEST).read_bytes()
    deployment = {"schema": SCHEMA, "arch": arch, "files": sorted(chosen)}
    files = {
        MANIFEST: manifest,
        **({SIGNATURE: (bundle.path / SIGNATURE).read_bytes()} if (bundle.path / SIGNATURE).is_file() else {}),
        DEPLOYMENT: (json.dumps(deployment, sort_keys=True, indent=2) + "\n").encode(),
        **{name: bundle.file(name).read_bytes() for name in sorted(chosen)},
    }
    # The sums of the bundle's own files are the manifest's: what changed since it was checked is found on arrival.
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    digests |= {name: bundle.digest(name) for name in chosen}
    files[SUMS] = "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()
    return Release(identity_of(bundle), bundle.name, arch, files, bundle.digest(MODEL_FILES["native"]))


def identity_of(bundle: Bundle) -> str:
    """What a release of a bundle is called: 12 hexadecimal digits."""
    return hashlib.sha256((bundle.path / MANIFEST).read_bytes()).hexdigest()[:12]


def require_name(bundle: Bundle) -> None:
    """Refuse a name that would lead elsewhere than into a folder of its own."""
    name = bundle.name
    if not name.isprintable() or "/" in name or name.startswith(".") or not 0 < len(name.encode()) <= LONGEST_NAME:
        raise BundleError(f"{bundle.path / MANIFEST}: name {name!r} cannot name a folder; export the bundle again")


def check_extras(extras: Iterable[str]) -> None:
    """Refuse a name that is no row of ``WITH``."""
    for extra in extras:
        if extra not in WITH:
            raise ProjectError(f"--with {extra!r} is not known; {suggestion(extra, WITH)}")


def _chosen(bundle: Bundle, arch: str, extras: Iterable[str]) -> set[str]:
    program = PROGRAM.format(machine=arch)
    if not bundle.has(program) or not bundle.has(MODEL_FILES["native"]):
        held = sorted(n.split("/")[1] for n in bundle.manifest["files"] if fnmatchcase(n, PROGRAM.format(machine="*")))
        raise DeployError(
            f"{bundle.path}: holds no program for {arch}; it holds {', '.join(held) or 'none'}; export it again with "
            "--int8, which builds for every architecture"
        )
    chosen = _matching(bundle, (pattern.format(arch=arch) for pattern in ALWAYS))
    for extra in extras:
        found = _matching(bundle, WITH[extra])
        if not found:
            raise DeployError(f"{bundle.path}: holds nothing for --with {extra}; export it again with that in it")
        chosen |= found
    return chosen


def _matching(bundle: Bundle, patterns: Iterable[str]) -> set[str]:
    patterns = tuple(patterns)
    return {name for name in bundle.manifest["files"] if any(fnmatchcase(name, pattern) for pattern in patterns)}


def _runs(name: str) -> bool:
    return fnmatchcase(name, PROGRAM.format(machine="*")) or name.endswith(".so")

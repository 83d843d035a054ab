"""Signed bundles: who made this one, is it unchanged, and is it no step back?

``manifest.sig`` in a bundle is four lines of text:

    edge-lstm signature 1
    key 5f0c31d2a4b6e897
    version 3
    <base64 of the 64 bytes of an Ed25519 signature>

What is signed is the first three lines and after them ``manifest.json``, byte for byte; the manifest holds the sha256
of every file. The version is in the signature and not in the manifest, because it says in which order bundles are
released: an older bundle that has to come back is signed anew with a higher version, not exported anew.

A board that requires a signature remembers the highest version it accepted of each model in a file beside the public
key, ``KEY.seen``. Whoever could lower it there could replace the key as well, so it guards as much as the key does. A
user who may not write it still streams what was accepted before, and can accept nothing new.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_lstm.bundle import MANIFEST, Bundle
from edge_lstm.errors import BundleError, ExportError, MissingDependencyError, ProjectError, SignatureError
from edge_lstm.files import write_atomically

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE = "manifest.sig"
PUBLIC_SUFFIX = ".pub"
SEEN_SUFFIX = ".seen"

MAX_VERSION = 10**18 - 1

_HEADER = "edge-lstm signature 1\nkey {key}\nversion {version}\n"
_FORM = re.compile(
    rb"edge-lstm signature 1\nkey (?P<key>[0-9a-f]{16})\nversion (?P<version>[1-9][0-9]{0,17})\n"
    rb"(?P<signed>[A-Za-z0-9+/]{86}==)\n"
)


@dataclass(frozen=True)
class Signature:
    """What ``manifest.sig`` says.

    Args:
        key: 16 hexadecimal digits that name the public key: the start of the sha256 of its 32 bytes.
        version: of the release, from 1 to ``MAX_VERSION``; a higher one is newer.
        signed: the 64 bytes over ``header`` and the manifest.
    """

    key: str
    version: int
    signed: bytes

    @property
    def header(self) -> bytes:
        return _HEADER.format(key=self.key, version=self.version).encode()

    def encode(self) -> bytes:
        """The file."""
        return self.header + base64.b64encode(self.signed) + b"\n"


def new_key(private_file: str | Path) -> Path:
    """Make an Ed25519 key pair: ``private_file``, which its owner alone can read, and ``*.pub`` beside it; gives that.

    Raises:
        ExportError: if one of them exists, or cannot be written.
        MissingDependencyError: if ``cryptography`` is not installed.
    """
    private_file = Path(private_file)
    if private_file.suffix == PUBLIC_SUFFIX:
        raise ExportError(f"{private_file}: *{PUBLIC_SUFFIX} is for the public key; name the private one *.pem")
    public_file = private_file.with_suffix(PUBLIC_SUFFIX)
    for file in (private_file, public_file):
        if file.exists():
            raise ExportError(f"{file}: exists, and a key is not replaced; choose another name or remove it")
    private, public = _key_pair()
    write_atomically(public_file, public)
    try:
        with os.fdopen(os.open(private_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(private)
    except OSError as error:
        raise ExportError(f"{private_file}: cannot be written: {error.strerror}; choose another place") from error
    return public_file


def sign(bundle: str | Path, private_file: str | Path, version: int) -> Signature:
    """Sign the bundle in a folder: writes its ``manifest.sig``. The same bundle, key and version give the same bytes.

    Raises:
        BundleError: if the bundle is not whole.
        ProjectError: if ``version`` is not one.
        SignatureError: if the file holds no private Ed25519 key.
        MissingDependencyError: if ``cryptography`` is not installed.
    """
    if not 1 <= version <= MAX_VERSION:
        raise ProjectError(f"version {version} is not between 1 and {MAX_VERSION}; give the last one plus 1")
    key = _private_key(Path(private_file))
    opened = Bundle.open(bundle)
    unsigned = Signature(key_name(key.public_key()), version, b"")
    signature = Signature(unsigned.key, version, key.sign(unsigned.header + _manifest(opened.path)))
    write_atomically(opened.path / SIGNATURE, signature.encode())
    return signature


def require_signature(bundle: str | Path, public_file: str | Path) -> Signature:
    """Check that a bundle is the one its signature was made for, and no older than the last one accepted here.

    The version is then remembered beside the public key. The manifest is parsed only once its signature holds, and the
    other files are read for their sha256 alone.

    Raises:
        SignatureError: if the bundle is not signed, signed by another key, changed, or older; or if the public key,
            the signature or the file of versions is not usable.
        BundleError: if a file is missing, cut or changed.
        MissingDependencyError: if ``cryptography`` is not installed.
    """
    bundle, public_file = Path(bundle), Path(public_file)
    key = _public_key(public_file)
    manifest, signature = _manifest(bundle), _read_signature(bundle)
    if signature.key != key_name(key):
        raise SignatureError(
            f"{bundle}: was signed by key {signature.key}, not by {key_name(key)} of {public_file}; "
            "sign it with the private key of that one"
        )
    _check(bundle, manifest, signature, key)
    name = Bundle.open(bundle).name
    _refuse_older(bundle, name, signature.version, public_file)
    return signature


def key_name(key: Ed25519PublicKey) -> str:
    """What a signature calls a key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def _manifest(bundle: Path) -> bytes:
    try:
        return (bundle / MANIFEST).read_bytes()
    except OSError as error:
        raise BundleError(
            f"{bundle / MANIFEST}: cannot be read ({error.strerror}); give the folder `edge-lstm export` wrote"
        ) from error


def _read_signature(bundle: Path) -> Signature:
    file = bundle / SIGNATURE
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise SignatureError(
            f"{bundle}: is not signed, it has no {SIGNATURE}; sign it with `edge-lstm sign` where the private key is"
        ) from error
    except OSError as error:
        raise SignatureError(f"{file}: cannot be read ({error.strerror}); copy the bundle again") from error
    match = _FORM.fullmatch(content)
    if match is None:
        raise SignatureError(f"{file}: is not a signature, or was changed or cut; copy or sign the bundle again")
    signature = Signature(match["key"].decode(), int(match["version"]), base64.b64decode(match["signed"]))
    # The last character of the base64 has four bits to spare, which decoding ignores.
    if signature.encode() != content:
        raise SignatureError(f"{file}: is not a signature, or was changed or cut; copy or sign the bundle again")
    return signature


def _check(bundle: Path, manifest: bytes, signature: Signature, key: Ed25519PublicKey) -> None:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature.signed, signature.header + manifest)
    except InvalidSignature as error:
        raise SignatureError(
            f"{bundle}: {MANIFEST} or {SIGNATURE} was changed, or is another bundle's; do not trust this bundle, copy "
            "it again from where it was signed"
        ) from error


def _refuse_older(bundle: Path, name: str, version: int, public_file: Path) -> None:
    """Compare with the highest version of this model that was accepted here, and remember a higher one."""
    file = public_file.with_name(public_file.name + SEEN_SUFFIX)
    seen = _read_seen(file)
    highest = seen.get(name, 0)
    if version < highest:
        raise SignatureError(
            f"{bundle}: is version {version} of {name}, and version {highest} was accepted here before ({file}); "
            f"install a newer one, or sign this one as version {highest + 1}"
        )
    if version > highest:
        try:
            write_atomically(file, (json.dumps(seen | {name: version}, sort_keys=True, indent=2) + "\n").encode())
        except ExportError as error:
            raise SignatureError(
                f"{file}: that version {version} of {name} is accepted cannot be written there; run `edge-lstm verify` "
                "once with this key, as a user who may"
            ) from error


def _read_seen(file: Path) -> dict[str, int]:
    try:
        seen = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise SignatureError(
            f"{file}: the versions accepted here cannot be read ({error}); restore the file"
        ) from error
    if not isinstance(seen, dict) or not all(type(version) is int for version in seen.values()):
        raise SignatureError(f"{file}: is not a table of models and versions; restore the file")
    return seen


# Keys, which `cryptography` makes, writes and reads.

_MISSING = "signatures need the package cryptography, which is not installed: pip install 'edge-lstm[sign]'"


def _key_pair() -> tuple[bytes, bytes]:
    """(private PKCS #8 PEM, public SubjectPublicKeyInfo PEM), unencrypted."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise MissingDependencyError(_MISSING) from error
    key, pem = Ed25519PrivateKey.generate(), serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)


def _private_key(file: Path) -> Ed25519PrivateKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise MissingDependencyError(_MISSING) from error
    try:
        key = load_pem_private_key(_read_key(file), password=None)
    except TypeError as error:
        raise SignatureError(f"{file}: is protected by a passphrase; give the key without one") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError(
            f"{file}: is not a private key in PEM; make one with `edge-lstm sign --new-key FILE`"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SignatureError(f"{file}: is not an Ed25519 key; make one with `edge-lstm sign --new-key FILE`")
    return key


def _public_key(file: Path) -> Ed25519PublicKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise MissingDependencyError(_MISSING) from error
    try:
        key = load_pem_public_key(_read_key(file))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError(
            f"{file}: is not a public key in PEM; give the *{PUBLIC_SUFFIX} that `edge-lstm sign --new-key` wrote"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureError(f"{file}: is not an Ed25519 key; give the *{PUBLIC_SUFFIX} of `edge-lstm sign --new-key`")
    return key


def _read_key(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SignatureError(f"{file}: the key cannot be read ({error.strerror}); check the path") from error

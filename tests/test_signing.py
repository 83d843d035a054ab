"""A board that requires a signature takes the signer's newest bundle and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519

from edge_lstm.bundle import Bundle
from edge_lstm.cli import cli
from edge_lstm.errors import BundleError, EdgeLstmError, ExportError, ProjectError, SignatureError
from edge_lstm.signing import MAX_VERSION, SIGNATURE, new_key, require_signature, sign

PEM = serialization.Encoding.PEM
NO_PASSPHRASE = serialization.NoEncryption()

SECRET = """\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
"""
"""The key of test 1 in RFC 8032, section 7.1."""
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


@pytest.fixture
def key(tmp_path):
    """A private key; the public one lies beside it."""
    return new_key(tmp_path / "release.pem").with_suffix(".pem")


@pytest.fixture
def public(key):
    return key.with_suffix(".pub")


@pytest.fixture
def signed(own_bundle, key):
    """A bundle signed as version 3."""
    sign(own_bundle, key, 3)
    return own_bundle


def refused(bundle, public, match, error=SignatureError):
    """One line, exit code 2, and nothing is remembered."""
    seen = Path(f"{public}.seen")
    before = seen.read_bytes() if seen.is_file() else None
    with pytest.raises(error, match=match) as caught:
        require_signature(bundle, public)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert (seen.read_bytes() if seen.is_file() else None) == before


def flips(content, places):
    """The content with one bit changed, at one place after the other; each bit has its turn."""
    for turn, place in enumerate(places):
        changed = bytearray(content)
        changed[place] ^= 1 << turn % 8
        yield bytes(changed)


def pair(private):
    """(private PEM, public PEM) of a key of any algorithm."""
    public = private.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.private_bytes(PEM, serialization.PrivateFormat.PKCS8, NO_PASSPHRASE), public


def test_a_signed_bundle_is_accepted_as_often_as_it_comes(signed, public):
    """Version and key come back, and the bundle is as usable as before."""
    for _ in range(2):
        signature = require_signature(signed, public)
        assert signature.version == 3
    assert Bundle.open(signed).name == "tag"


def test_the_file_is_four_lines_and_the_signature_is_ed25519_over_three_of_them_and_the_manifest(own_bundle, tmp_path):
    """With a key of RFC 8032, checked by the algorithm alone; the same bundle, key and version give the same bytes."""
    (tmp_path / "rfc.pem").write_text(SECRET)
    sign(own_bundle, tmp_path / "rfc.pem", 12)
    content = (own_bundle / SIGNATURE).read_bytes()
    header, encoded = content[:-89], content[-89:]
    name = hashlib.sha256(bytes.fromhex(PUBLIC)).hexdigest()[:16]
    assert header.decode() == f"edge-lstm signature 1\nkey {name}\nversion 12\n"
    message = header + (own_bundle / "manifest.json").read_bytes()
    ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(PUBLIC)).verify(base64.b64decode(encoded), message)
    sign(own_bundle, tmp_path / "rfc.pem", 12)
    assert (own_bundle / SIGNATURE).read_bytes() == content


def test_a_bundle_is_exported_signed_and_opened_without_its_signature_being_any_part_of_it(signed):
    """Who requires no signature sees none: the manifest does not name it, and a broken one troubles nobody."""
    (signed / SIGNATURE).write_text("nonsense")
    assert not Bundle.open(signed).has(SIGNATURE)


def test_any_bit_of_the_manifest_changed_is_refused(signed, public):
    """Every 7th byte and both ends, each bit in its turn. One message for all: nothing was parsed before."""
    file = signed / "manifest.json"
    content = file.read_bytes()
    places = [*range(0, len(content), 7), len(content) - 1]
    for changed in flips(content, places):
        file.write_bytes(changed)
        refused(signed, public, r"manifest.json or manifest.sig was changed, or is another bundle's")
    file.write_bytes(content)
    assert require_signature(signed, public).version == 3


def test_a_manifest_cut_or_longer_is_refused(signed, public):
    """At any length; also one white space more, which JSON would not mind."""
    file = signed / "manifest.json"
    content = file.read_bytes()
    for changed in (*(content[:n] for n in range(0, len(content), 97)), content[:-1], content + b"\n", b" " + content):
        file.write_bytes(changed)
        refused(signed, public, r"manifest.json or manifest.sig was changed")
    file.unlink()
    refused(signed, public, r"manifest.json: cannot be read \(No such file", BundleError)
    refused(signed / "nowhere", public, r"manifest.json: cannot be read \(No such file", BundleError)


def test_any_bit_of_the_signature_file_changed_is_refused(signed, public):
    """Every byte of it, each with each of its bits; so no two files say the same."""
    file = signed / SIGNATURE
    content = file.read_bytes()
    for bit in range(8):
        for place in range(len(content)):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            file.write_bytes(changed)
            refused(signed, public, r"is not a signature|was changed|was signed by key")


def test_a_signature_cut_or_longer_is_refused(signed, public):
    """At every length."""
    file = signed / SIGNATURE
    content = file.read_bytes()
    for changed in (*(content[:n] for n in range(len(content))), content + b"\n", content.replace(b"\n", b"\r\n")):
        file.write_bytes(changed)
        refused(signed, public, r"manifest.sig: is not a signature, or was changed or cut")


@pytest.mark.parametrize("name", ["integer/native.safetensors", "integer/tflite.safetensors", "float.safetensors"])
def test_a_listed_file_changed_cut_or_gone_is_refused(signed, public, name):
    """By the sha256 in the signed manifest, which a thief cannot adapt."""
    file = signed / name
    content = file.read_bytes()
    for changed in flips(content, [0, len(content) // 2, len(content) - 1]):
        file.write_bytes(changed)
        refused(signed, public, f"{name}: was changed", BundleError)
    file.write_bytes(content[:-1])
    refused(signed, public, f"{name}: has {len(content) - 1} B", BundleError)
    file.unlink()
    refused(signed, public, f"{name}: is in the manifest but cannot be read", BundleError)


def test_a_file_changed_together_with_its_digest_in_the_manifest_is_refused(signed, public):
    """What Bundle.open alone cannot see."""
    file, manifest = signed / "float.safetensors", json.loads((signed / "manifest.json").read_text())
    changed = next(flips(file.read_bytes(), [900]))
    file.write_bytes(changed)
    manifest["files"]["float.safetensors"]["sha256"] = hashlib.sha256(changed).hexdigest()
    (signed / "manifest.json").write_text(json.dumps(manifest))
    Bundle.open(signed)
    refused(signed, public, "manifest.json or manifest.sig was changed")


def test_an_unsigned_bundle_is_refused(own_bundle, public):
    """Also one whose signature is a folder."""
    refused(own_bundle, public, r"own: is not signed, it has no manifest.sig; sign it with `edge-lstm sign`")
    (own_bundle / SIGNATURE).mkdir()
    refused(own_bundle, public, r"manifest.sig: cannot be read \(Is a directory\)")


def test_the_signature_of_another_bundle_is_refused(signed, other_model_bundle, key, public):
    """Of the same signer, name and version."""
    sign(other_model_bundle, key, 3)
    shutil.copy(other_model_bundle / SIGNATURE, signed / SIGNATURE)
    refused(signed, public, "is another bundle's; do not trust this bundle")


def test_another_signer_is_refused_also_under_the_name_of_ours(own_bundle, public, key, tmp_path):
    """The key is named in the message; the name in the file proves nothing."""
    ours = sign(own_bundle, key, 3).key
    new_key(tmp_path / "thief.pem")
    theirs = sign(own_bundle, tmp_path / "thief.pem", 4).key
    refused(own_bundle, public, f"was signed by key {theirs}, not by {ours} of .*release.pub")
    forged = (own_bundle / SIGNATURE).read_bytes().replace(theirs.encode(), ours.encode())
    (own_bundle / SIGNATURE).write_bytes(forged)
    refused(own_bundle, public, "was changed")


def test_the_version_cannot_be_changed_without_the_key(signed, public):
    """It is signed with the manifest."""
    content = (signed / SIGNATURE).read_bytes()
    (signed / SIGNATURE).write_bytes(content.replace(b"version 3", b"version 4"))
    refused(signed, public, "was changed")


def test_a_step_back_is_refused_until_the_old_bundle_is_signed_anew(signed, key, public):
    """The highest version accepted is remembered beside the key, equal ones are no step back."""
    old = signed.with_name("old")
    shutil.copytree(signed, old)
    sign(signed, key, 5)
    assert require_signature(old, public).version == 3
    assert require_signature(signed, public).version == 5
    refused(old, public, r"old: is version 3 of tag, and version 5 was accepted here before .*; .* as version 6")
    sign(old, key, 6)
    assert require_signature(old, public).version == 6
    refused(signed, public, "is version 5 of tag, and version 6")


def test_what_was_refused_is_not_remembered(signed, key, public):
    """A broken upgrade of a high version leaves the way open for those below it."""
    sound = (signed / "float.safetensors").read_bytes()
    sign(signed, key, 9)
    (signed / "float.safetensors").write_bytes(sound[:-1])
    refused(signed, public, "float.safetensors: has", BundleError)
    (signed / "float.safetensors").write_bytes(sound)
    sign(signed, key, 4)
    assert require_signature(signed, public).version == 4


def test_models_have_versions_of_their_own(signed, key, public, tmp_path):
    """Two models of one signer on one board."""
    from stream_bundles import write_small_bundle

    other = write_small_bundle(tmp_path / "gait", "classify")
    sign(other, key, 1)
    require_signature(signed, public)
    require_signature(other, public)
    assert json.loads(Path(f"{public}.seen").read_text()) == {"classify": 1, "tag": 3}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"tag": "3"}', '{"tag": true}', "[" * 100_000])
def test_a_broken_record_of_versions_is_refused(signed, public, content):
    """It is not taken for an empty one, or losing it would be the way round it."""
    Path(f"{public}.seen").write_text(content)
    refused(signed, public, r"release.pub.seen: .*; restore the file")


def test_where_the_record_cannot_be_written_nothing_new_is_accepted(signed, key, public):
    """What was accepted before still is. The name is as long as names can be, which stops root as well."""
    there = public.with_name("k" * 250)
    shutil.copy(public, there)
    refused(signed, there, r"k.seen: that version 3 of tag is accepted cannot be written there; run `edge-lstm verify`")
    Path(f"{there}.seen").write_text('{"tag": 3}')
    assert require_signature(signed, there).version == 3
    sign(signed, key, 4)
    refused(signed, there, r"k.seen: that version 4 of tag is accepted cannot be written there")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is not a public key in PEM"),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx me", "is not a public key in PEM"),
        (b"-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n", "is not a public key in PEM"),
        (SECRET.encode(), "is not a public key in PEM"),
        (pair(ec.generate_private_key(ec.SECP256R1()))[1], "is not an Ed25519 key"),
        (pair(rsa.generate_private_key(65537, 2048))[1], "is not an Ed25519 key"),
        (pair(ed448.Ed448PrivateKey.generate())[1], "is not an Ed25519 key"),
        (pair(x25519.X25519PrivateKey.generate())[1], "is not an Ed25519 key"),
    ],
    ids=["empty", "openssh", "cut", "private", "p256", "rsa", "ed448", "x25519"],
)
def test_what_is_no_public_ed25519_key_is_refused(signed, tmp_path, content, match):
    """Other algorithms, other formats, the wrong half."""
    (tmp_path / "bad.pub").write_bytes(content)
    refused(signed, tmp_path / "bad.pub", f"bad.pub: {match}")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is not a private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n", "is not a private key in PEM"),
        (pair(ed25519.Ed25519PrivateKey.generate())[1], "is not a private key in PEM"),
        (pair(ec.generate_private_key(ec.SECP256R1()))[0], "is not an Ed25519 key"),
        (pair(ed448.Ed448PrivateKey.generate())[0], "is not an Ed25519 key"),
        (
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word")
            ),
            "is protected by a passphrase",
        ),
    ],
    ids=["empty", "cut", "public", "p256", "ed448", "passphrase"],
)
def test_what_is_no_private_ed25519_key_signs_nothing(own_bundle, tmp_path, content, match):
    """The bundle stays unsigned."""
    (tmp_path / "bad.pem").write_bytes(content)
    with pytest.raises(SignatureError, match=f"bad.pem: {match}"):
        sign(own_bundle, tmp_path / "bad.pem", 1)
    assert not (own_bundle / SIGNATURE).exists()


def test_a_key_that_is_not_there_is_said_so(own_bundle, tmp_path):
    """Either half."""
    for ask in (lambda: sign(own_bundle, tmp_path / "no", 1), lambda: require_signature(own_bundle, tmp_path / "no")):
        with pytest.raises(SignatureError, match=r"no: the key cannot be read \(No such file"):
            ask()


def test_a_broken_bundle_is_not_signed(own_bundle, key):
    """A signature would say that it is whole."""
    (own_bundle / "float.safetensors").write_bytes(b"")
    with pytest.raises(BundleError, match=r"float.safetensors: has 0 B"):
        sign(own_bundle, key, 1)
    assert not (own_bundle / SIGNATURE).exists()


@pytest.mark.parametrize("version", [0, -1, MAX_VERSION + 1])
def test_versions_begin_at_one_and_end(own_bundle, key, version):
    """0 is what a board has seen of a model it never met."""
    with pytest.raises(ProjectError, match=f"version {version} is not between 1 and"):
        sign(own_bundle, key, version)


def test_the_highest_version_there_is_can_be_read_again(own_bundle, key, public):
    """18 digits."""
    sign(own_bundle, key, MAX_VERSION)
    assert require_signature(own_bundle, public).version == MAX_VERSION


def test_a_new_key_is_for_its_owner_alone_and_replaces_none(tmp_path):
    """Whatever the mask allows; a key lost is a fleet of boards lost."""
    before = os.umask(0)
    try:
        public = new_key(tmp_path / "deep" / "mine.pem")
    finally:
        os.umask(before)
    private = tmp_path / "deep" / "mine.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert public == tmp_path / "deep" / "mine.pub"
    content = private.read_bytes()
    with pytest.raises(ExportError, match=r"mine.pem: exists, and a key is not replaced"):
        new_key(private)
    assert private.read_bytes() == content
    private.unlink()
    with pytest.raises(ExportError, match=r"mine.pub: exists, and a key is not replaced"):
        new_key(private)
    assert not private.exists()
    with pytest.raises(ExportError, match=r"\*.pub is for the public key"):
        new_key(tmp_path / "other.pub")


# The command line.


def command(*words, text="", **environment):
    return CliRunner().invoke(cli, [str(word) for word in words], input=text, env=environment)


def said(result, exit_code):
    """The one line of a refusal; no prediction and no check was printed before it."""
    assert (result.exit_code, result.stdout) == (exit_code, ""), result.output
    assert result.stderr.startswith("edge-lstm: error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_keys_signature_and_stream_by_the_command_line(own_bundle, samples, tmp_path):
    """What the help shows: make a key, sign, stream; the predictions are those without a signature."""
    pem, pub = tmp_path / "me.pem", tmp_path / "me.pub"
    text = "\n".join(",".join(map(str, row)) for row in samples) + "\n"
    made = command("sign", "--new-key", pem, "--json")
    assert json.loads(made.stdout) == {"private": str(pem), "public": str(pub)}
    told = command("sign", own_bundle, "--key", pem, "--version", 2)
    assert told.stdout.startswith(f"signed: bundle {own_bundle}, key ")
    assert told.stdout.endswith(", version 2\n")
    ask = ("stream", own_bundle, "--backend", "reference")
    plain = command(*ask, text=text)
    assert plain.stdout.count("\n") == len(samples)
    assert command(*ask, "--require-signature", pub, text=text).stdout == plain.stdout
    assert command(*ask, text=text, EDGE_LSTM_REQUIRE_SIGNATURE=str(pub)).stdout == plain.stdout


@pytest.mark.parametrize("name", ["stream", "verify"])
def test_stream_and_verify_refuse_in_one_line_before_they_use_anything(own_bundle, public, name):
    """By the option, and by the variable that a board's service sets; without either they do not ask."""
    assert "is not signed" in said(command(name, own_bundle, "--require-signature", public, text="1,2,3\n"), 2)
    asked = command(name, own_bundle, text="1,2,3\n", EDGE_LSTM_REQUIRE_SIGNATURE=str(public))
    assert "is not signed" in said(asked, 2)
    assert "sign" not in command(name, own_bundle, text="1,2,3\n").stderr


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ((), "give --key FILE and --version N"),
        (("--key", "k.pem"), "give --key FILE and --version N"),
        (("--version", "1"), "give --key FILE and --version N"),
        (("--new-key", "k.pem", "--version", "1"), "--new-key makes keys and signs nothing"),
        (("bundle", "--new-key", "k.pem"), "--new-key makes keys and signs nothing"),
    ],
)
def test_what_is_not_clear_is_not_guessed(words, match):
    """Above all not the version."""
    assert match in said(command("sign", *words), 2)


@pytest.mark.parametrize(
    "words",
    [
        ("sign", "--new-key", "new.pem"),
        ("sign", "own", "--key", "release.pem", "--version", "4"),
        ("stream", "own", "--require-signature", "release.pub"),
        ("verify", "own", "--require-signature", "release.pub"),
    ],
    ids=lambda words: words[0] + words[1].replace("--", "-"),
)
def test_without_the_library_the_extra_is_named(signed, tmp_path, words):
    """Exit code 3, nothing written: a bundle that cannot be checked is not used."""
    script = "import sys; sys.modules['cryptography'] = None; from edge_lstm.cli import main; main()"
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=tmp_path, capture_output=True, text=True, input="", timeout=60
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.endswith("not installed: pip install 'edge-lstm[sign]'\n")
    assert sorted(tmp_path.rglob("*")) == before


def test_signature_errors_are_errors_of_ours():
    """One tree, exit code 2."""
    assert issubclass(SignatureError, EdgeLstmError)
    assert SignatureError.exit_code == 2

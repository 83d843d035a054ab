"""MQTT by TLS against a real broker: who does not prove who they are is refused, in one line."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from live_streams import broker, client, fails, live, run, said, text, until

from edge_lstm.streaming.urls import public

HERE = ("127.0.0.1",)


class Authority:
    """Signs certificates, into files of a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name, self.key = folder, name, ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        self.certificate = self._signed(name, self.key, -1, 9, x509.BasicConstraints(ca=True, path_length=None), ())
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name, hosts=HERE, days=(-1, 9)):
        """(certificate, key) files, valid from one day to another, counted from today."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._signed(name, key, *days, x509.BasicConstraints(ca=False, path_length=None), hosts)
        files = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        files[1].write_bytes(key.private_bytes(*plain))
        return files

    def self_signed(self):
        """(certificate, key) of a broker that needs nobody."""
        files = self.folder / "own.crt", self.folder / "own.key"
        made = self._signed(self.name, self.key, -1, 9, x509.BasicConstraints(ca=False, path_length=None), HERE)
        files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        files[1].write_bytes(self.key.private_bytes(*plain))
        return files

    def _signed(self, name, key, first, last, constraints, hosts):
        now = datetime.datetime.now(datetime.UTC)
        subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, self.name))
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).add_extension(constraints, critical=True)
        builder = builder.not_valid_before(now + datetime.timedelta(first))
        builder = builder.not_valid_after(now + datetime.timedelta(last))
        if hosts:
            names = [x509.IPAddress(ipaddress.ip_address(h)) if h[0].isdigit() else x509.DNSName(h) for h in hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """An authority that nobody knows."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@contextlib.contextmanager
def secure_broker(folder, certificate, *lines):
    """A mosquitto that speaks TLS; its port."""
    files = [f"certfile {certificate[0]}", f"keyfile {certificate[1]}", "allow_anonymous true", "user root"]
    with broker(folder, *files, *lines) as (_, port):
        yield port


CLIENTS_ALONE = "require_certificate true"


def test_messages_in_and_out_by_tls(own_bundle, samples, authority, tmp_path):
    """Every prediction, over connections that check the broker by the authority that the address names."""
    trusting = ssl.create_default_context(cafile=authority.file)
    with (
        secure_broker(tmp_path, authority.issue("localhost", ("localhost",))) as port,
        client(port, "localhost", trusting) as (other, heard),
    ):
        ready = []
        other.on_subscribe = lambda *_: ready.append(True)
        other.subscribe("out", 1)
        until(lambda: ready)
        where = [f"mqtts://localhost:{port}/{topic}?ca={authority.file}" for topic in ("in", "out")]
        with live(own_bundle, "--from", where[0], "--to", where[1]) as process:
            other.publish("in", text(samples[:5]), 1, retain=True)
            until(lambda: len(heard) == 5)
            assert heard == [("out", each) for each in said(own_bundle, samples[:5])]
            process.terminate()
            assert (process.wait(20), process.stderr.read()) == (143, "")


def test_the_systems_authorities_are_trusted_without_a_word(own_bundle, samples, authority, tmp_path, monkeypatch):
    """OpenSSL's own, wherever its variables say they are."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with secure_broker(tmp_path, authority.issue("system")) as port:
        accepted(own_bundle, f"mqtts://127.0.0.1:{port}/out", samples)


def accepted(bundle, url, samples):
    """Predictions go there."""
    with live(bundle, "--to", url, stdin=subprocess.PIPE) as process:
        assert process.communicate(text(samples[:2]), timeout=30) == ("", "")
        assert process.returncode == 0


def refused(bundle, url, message):
    """One line for a destination as for a source, and no prediction."""
    result = run("", bundle, "--to", url)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"edge-lstm: error: {public(url)}: {message}")
    assert run("", bundle, "--from", url).stderr == result.stderr


def test_an_authority_that_is_not_known_is_refused(own_bundle, authority, stranger, tmp_path):
    """Neither the system nor the named one has signed it; a certificate that signed itself is no better."""
    words = "the broker's certificate is of an authority that is not known here; name it by ?ca=FILE"
    with secure_broker(tmp_path, stranger.issue("localhost")) as port:
        refused(own_bundle, f"mqtts://127.0.0.1:{port}/t", words)
        refused(own_bundle, f"mqtts://127.0.0.1:{port}/t?ca={authority.file}", words)


def test_a_certificate_that_signed_itself_is_refused(own_bundle, samples, stranger, tmp_path):
    """Unless it is the one that is trusted."""
    own = stranger.self_signed()
    with secure_broker(tmp_path, own) as port:
        refused(own_bundle, f"mqtts://127.0.0.1:{port}/t", "the broker's certificate is signed by itself; trust it by")
        accepted(own_bundle, f"mqtts://127.0.0.1:{port}/t?ca={own[0]}", samples)


@pytest.mark.parametrize("hosts", [("broker.example",), ("10.0.0.1",)])
def test_another_host_name_is_refused(own_bundle, authority, tmp_path, hosts):
    """The authority is known, and it was for somebody else."""
    with secure_broker(tmp_path, authority.issue("other", hosts)) as port:
        url = f"mqtts://127.0.0.1:{port}/t?ca={authority.file}"
        refused(own_bundle, url, "the broker's certificate is not for this host name; write the host as")


@pytest.mark.parametrize(
    ("days", "message"),
    [
        ((-9, -1), "the broker's certificate has expired; renew it there, or set this computer's clock"),
        ((1, 9), "the broker's certificate is not valid yet; set this computer's clock"),
    ],
)
def test_a_certificate_out_of_its_time_is_refused(own_bundle, authority, tmp_path, days, message):
    """Or the clock is wrong: a board without a battery for it starts in the past."""
    with secure_broker(tmp_path, authority.issue("late", days=days)) as port:
        refused(own_bundle, f"mqtts://127.0.0.1:{port}/t?ca={authority.file}", message)


def test_a_client_certificate_is_shown_to_a_broker_that_asks(own_bundle, samples, authority, tmp_path):
    """In two files, or in one."""
    own, both = authority.issue("client"), tmp_path / "both.pem"
    both.write_bytes(own[0].read_bytes() + own[1].read_bytes())
    with secure_broker(tmp_path, authority.issue("asks"), CLIENTS_ALONE, f"cafile {authority.file}") as port:
        for asked in (f"cert={own[0]}&key={own[1]}", f"cert={both}"):
            url = f"mqtts://127.0.0.1:{port}/out?ca={authority.file}&{asked}"
            accepted(own_bundle, url, samples)


def test_a_broker_that_demands_a_certificate_is_said(own_bundle, authority, tmp_path):
    """In TLS 1.3 it says so only after the handshake, if at all."""
    with secure_broker(tmp_path, authority.issue("demands"), CLIENTS_ALONE, f"cafile {authority.file}") as port:
        words = "no answer after the handshake: perhaps the broker demands a client certificate; add"
        refused(own_bundle, f"mqtts://127.0.0.1:{port}/t?ca={authority.file}", words)


def test_a_broker_that_demands_a_certificate_says_so_in_tls_1_2(own_bundle, authority, tmp_path, monkeypatch):
    """Within the handshake."""
    (tmp_path / "openssl").write_text(
        "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMaxProtocol = TLSv1.2\n"
    )
    monkeypatch.setenv("OPENSSL_CONF", str(tmp_path / "openssl"))
    with secure_broker(tmp_path, authority.issue("demands"), CLIENTS_ALONE, f"cafile {authority.file}") as port:
        url = f"mqtts://127.0.0.1:{port}/t?ca={authority.file}"
        with live(own_bundle, "--to", url) as process:
            fails(process, f"{url}: the broker demands a client certificate; add ?cert=FILE&key=FILE")


def test_a_client_certificate_of_a_stranger_is_said(own_bundle, authority, stranger, tmp_path):
    """It has one, and nobody the broker trusts has signed it."""
    own = stranger.issue("client")
    with secure_broker(tmp_path, authority.issue("knows"), CLIENTS_ALONE, f"cafile {authority.file}") as port:
        url = f"mqtts://127.0.0.1:{port}/t?ca={authority.file}&cert={own[0]}&key={own[1]}"
        words = "the broker does not know the authority of our certificate; have it signed by one it knows"
        refused(own_bundle, url, f"no answer after the handshake: perhaps {words}")


def test_a_plain_broker_and_a_secure_one_are_told_apart(own_bundle, authority, tmp_path):
    """TLS to a port without, and none to a port with it."""
    with broker(tmp_path, "allow_anonymous true") as (_, port):
        refused(own_bundle, f"mqtts://127.0.0.1:{port}/t", "no TLS is spoken there; write mqtt://, or the port of TLS")
    with secure_broker(tmp_path, authority.issue("secure")) as port:
        said_of_it = run("", own_bundle, "--to", f"mqtt://127.0.0.1:{port}/t").stderr
        assert "or check whether it wants TLS: mqtts://" in said_of_it
        assert said_of_it.count("\n") == 1


def test_a_password_may_come_by_the_environment(own_bundle, samples, tmp_path, monkeypatch):
    """Who may, may; and neither one that is right nor one that is wrong is ever shown."""
    users = tmp_path / "users"
    users.write_text("ann:secret/#?@\n")
    users.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", users], check=True, timeout=20)
    with broker(tmp_path, "allow_anonymous false", f"password_file {users}", "user root") as (_, port):
        url = f"mqtt://ann@127.0.0.1:{port}/t"
        refused(own_bundle, url, "the broker refuses: Not authorized; check user and password")
        monkeypatch.setenv("EDGE_LSTM_MQTT_PASSWORD", "wrong-one")
        refused(own_bundle, url, "the broker refuses: Not authorized; check user and password")
        monkeypatch.setenv("EDGE_LSTM_MQTT_PASSWORD", "secret/#?@")
        accepted(own_bundle, url, samples)
        # The address goes before the environment.
        refused(own_bundle, f"mqtt://ann:wrong@127.0.0.1:{port}/t", "the broker refuses: Not authorized; check user")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("?ca=/no/c++/such.pem", "ca /no/c++/such.pem: No such file or directory; give authorities'"),
        ("?ca=/etc/hostname", "ca /etc/hostname: no certificate or crl found; give"),
        ("?key=/etc/hostname", "key without cert; add &cert=FILE"),
        ("?cert=/etc/hostname", "/etc/hostname: "),
        ("?cert=", "cert names no file; write ?cert=FILE"),
        ("?verify=off", "'verify' is not known there; it takes ca, cert, key"),
    ],
)
def test_files_that_are_none_are_said(own_bundle, asked, message):
    """There is no way to ask for less than a checked broker."""
    refused(own_bundle, f"mqtts://127.0.0.1:1/t{asked}", message)


def test_a_key_with_a_password_is_refused_and_not_asked_about(own_bundle, authority, tmp_path):
    """A service has no terminal; one that has must not wait there either."""
    own, locked = authority.issue("locked"), tmp_path / "locked.key"
    key = serialization.load_pem_private_key(own[1].read_bytes(), None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    locked.write_bytes(key.private_bytes(*form, serialization.BestAvailableEncryption(b"secret")))
    words = f"{own[0]} and {locked}: "
    refused(own_bundle, f"mqtts://127.0.0.1:1/t?cert={own[0]}&key={locked}", words)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mqtts://ann:secret@h/t", "mqtts://ann:…@h/t"),
        ("mqtt://ann:s:e@cret@h:1/t/@x", "mqtt://ann:…@h:1/t/@x"),
        ("mqtt://ann:sec/ret@h/t", "mqtt://ann:…@h/t"),
        ("mqtt://ann:sec?ret@h/t", "mqtt://ann:…@h/t"),
        ("mqtt://ann@h:1883/t", "mqtt://ann@h:1883/t"),
        ("tcp://h:9000", "tcp://h:9000"),
    ],
)
def test_a_password_is_never_in_a_message(own_bundle, url, shown):
    """Whatever is wrong with the address, or with its password."""
    assert public(url) == shown
    for wrong in (url, url.replace("mqtt", "mqqt", 1), url.replace("/t", "", 1), f"{url}?x=1"):
        result = run("", own_bundle, "--to", wrong)
        assert result.exit_code == 2
        assert not any(part in result.stderr for part in ("secret", "cret", "sec/", "ret@", "sec?"))

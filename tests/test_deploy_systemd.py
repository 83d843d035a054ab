"""edge-lstm deploy --service on a board that booted systemd: it starts, stays, and no upgrade takes it away."""

from __future__ import annotations

import json
import time

import pytest
from deploy_boards import done, identity, refused, run
from deploy_bundles import ENDS_SOON, FAILS_TO_START, HANGS, write_deployable


@pytest.fixture(scope="module")
def services(tmp_path_factory, deployable):
    """Bundles whose programs are services of every kind: sound ones, and ones that are not."""
    folder = tmp_path_factory.mktemp("services")
    faults = {"fails to start": FAILS_TO_START, "ends soon": ENDS_SOON, "hangs": HANGS}
    made = {name: write_deployable(folder / name, seed=20 + fault, fault=fault) for name, fault in faults.items()}
    return {**made, "one": deployable["one"], "two": deployable["two"]}


@pytest.fixture
def at(systemd_board, request, monkeypatch):
    """``at(bundle, *options)``: a deploy to a place of the test's own. A service has one second to prove itself."""
    monkeypatch.setattr("edge_lstm.deploy.change.SETTLE", 1)
    name = request.node.name[:40].replace("[", "-").replace("]", "")

    def deploy(bundle, *options):
        connection = ("--ssh-config", systemd_board.ssh_config, "--path", f"~/{name}")
        return run("deploy", bundle, systemd_board.name, *connection, *options)

    yield deploy
    systemd_board.run(
        "sudo systemctl stop 'test-*'; systemctl --user stop 'test-*'; sudo rm -rf /etc/systemd/system/test-*"
    )


def service(name, kind="--system", *arguments):
    return ("--service", "--service-name", name, kind, "--", *(arguments or ("--from", "tcp-listen://:7001")))


def shown(board, name, *keys, kind=""):
    """What systemd says of a unit: key → value."""
    asked = f"systemctl {kind} show {name} " + " ".join(f"-p {key}" for key in keys)
    return dict(line.split("=", 1) for line in board.run(asked).stdout.splitlines())


def executable(board, name):
    pid = shown(board, name, "MainPID")["MainPID"]
    return board.run(f"sudo readlink /proc/{pid}/exe").stdout.strip()


def until(true):
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_service_starts_stays_and_follows_what_is_current(systemd_board, at, services):
    """Enabled for the next start of the board; killed, it comes back; an upgrade and a rollback restart it."""
    made = json.loads(done(at(services["one"], "--json", *service("test-start"))))
    assert made["service"] == {"kind": "system", "name": "test-start", "state": "active"}
    facts = shown(systemd_board, "test-start", "ActiveState", "UnitFileState", "MainPID", "User")
    assert (facts["ActiveState"], facts["UnitFileState"], facts["User"]) == ("active", "enabled", "pi")
    systemd_board.run(f"sudo kill -9 {facts['MainPID']}")
    until(
        lambda: shown(systemd_board, "test-start", "NRestarts", "SubState") == {"NRestarts": "1", "SubState": "running"}
    )
    for bundle, options in (("two", ()), ("one", ("--rollback",))):
        assert "service test-start (system): active" in done(at(services["two"], *options))
        assert f"/releases/{identity(services[bundle])}/" in executable(systemd_board, "test-start")
    # Written on its way out, before the upgrade.
    assert systemd_board.run(f"test -f {made['root']}/current/state/stream.state").returncode == 0
    assert "service test-start (system): active" in done(at(services["one"], "--status"))


def test_an_upgrade_that_does_not_run_is_taken_back(systemd_board, at, services):
    """The release before is current again and running; the reason is the program's own, and the new release is gone."""
    done(at(services["two"]))
    root = json.loads(done(at(services["one"], "--json", *service("test-bad"))))["root"]
    for fault in ("fails to start", "ends soon"):
        said = refused(
            at(services[fault]), "the service does not start", f"{identity(services['one'])} is current again"
        )
        assert ("serial:/dev/ttyUSB9: cannot be opened" in said) is (fault == "fails to start")
        assert f"/releases/{identity(services['one'])}/" in executable(systemd_board, "test-bad")
        status = json.loads(done(at(services["one"], "--status", "--json")))
        assert (status["current"], status["previous"]) == (identity(services["one"]), identity(services["two"]))
        assert len(systemd_board.run(f"ls {root}/releases").stdout.split()) == 2


def test_a_rollback_that_does_not_run_is_taken_back(systemd_board, at, services):
    """Without a service the faulty one was deployed; back to it is no way to go."""
    done(at(services["fails to start"]))
    done(at(services["one"], *service("test-back")))
    refused(at(services["one"], "--rollback"), "the service does not start", identity(services["one"]))
    assert f"/releases/{identity(services['one'])}/" in executable(systemd_board, "test-back")
    status = json.loads(done(at(services["one"], "--status", "--json")))
    assert (status["current"], status["previous"]) == (identity(services["one"]), identity(services["fails to start"]))


def test_a_first_service_that_does_not_run_leaves_none(systemd_board, at, services):
    """The release stays, for there is none before it; the unit does not."""
    said = refused(
        at(services["fails to start"], *service("test-first")),
        f"{identity(services['fails to start'])} is current still",
    )
    assert "there is no service" in said
    assert systemd_board.run("ls /etc/systemd/system").stdout.count("test-first") == 0
    assert shown(systemd_board, "test-first", "LoadState") == {"LoadState": "not-found"}


def test_new_arguments_that_do_not_run_give_way_to_the_old_ones(systemd_board, at, services):
    """The unit is put back as it was."""
    done(at(services["one"], *service("test-arguments")))
    before = systemd_board.run("cat /etc/systemd/system/test-arguments.service").stdout
    wrong = service("test-arguments", "--system", "--from", "serial:/dev/ttyNONE")
    refused(at(services["one"], *wrong), "/dev/ttyNONE", "No such file or directory", "runs as it did before")
    assert systemd_board.run("cat /etc/systemd/system/test-arguments.service").stdout == before
    assert shown(systemd_board, "test-arguments", "ActiveState") == {"ActiveState": "active"}


def test_a_hung_service_is_restarted_by_the_watchdog(systemd_board, at, services):
    """The unit's limit is half a minute; here three seconds, by a file that an administrator may put beside it."""
    drop_in = systemd_board.root / "etc/systemd/system/test-hangs.service.d"
    drop_in.mkdir()
    (drop_in / "quick.conf").write_text("[Service]\nWatchdogSec=3\n")
    done(at(services["hangs"], *service("test-hangs")))
    until(lambda: shown(systemd_board, "test-hangs", "NRestarts")["NRestarts"] != "0")
    said = systemd_board.run("sudo journalctl -u test-hangs -o cat --no-pager").stdout
    assert "Watchdog timeout" in said


@pytest.mark.parametrize("kind", ["--user", "--system"])
def test_a_service_reads_a_serial_port(systemd_board, at, services, kind):
    """Hardened as it is: the port belongs to dialout, as on a Raspberry Pi."""
    with systemd_board.serial_line("/dev/ttyUSB0"):
        done(at(services["one"], *service("test-serial", kind, "--from", "serial:/dev/ttyUSB0")))


def test_a_user_service_says_what_lingering_is_for(systemd_board, at, services):
    """Without it the service ends with the last login."""
    systemd_board.run("sudo loginctl disable-linger pi")
    said = done(at(services["one"], *service("test-user", "--user")))
    assert "service test-user (user): active" in said
    assert "sudo loginctl enable-linger pi" in said
    systemd_board.run("sudo loginctl enable-linger pi")
    said = done(at(services["two"]))
    assert "enable-linger" not in said
    systemd_board.run("sudo loginctl disable-linger pi")


def test_one_service_takes_the_place_of_the_other(systemd_board, at, services):
    """A deployment has one; what cannot start does not take it."""
    done(at(services["one"], *service("test-old", "--user")))
    wrong = service("test-new", "--system", "--from", "serial:/dev/ttyNONE")
    refused(at(services["one"], *wrong), "the service does not start", "runs as it did before")
    assert shown(systemd_board, "test-old", "ActiveState", kind="--user") == {"ActiveState": "active"}
    done(at(services["one"], *service("test-new")))
    assert shown(systemd_board, "test-old", "LoadState", kind="--user") == {"LoadState": "not-found"}
    assert shown(systemd_board, "test-new", "ActiveState") == {"ActiveState": "active"}


def test_what_cannot_be_served_is_refused_before_the_switch(systemd_board, at, services):
    """Somebody else's unit, and sudo that asks for a password; nothing is deployed."""
    foreign = systemd_board.root / "etc/systemd/system/test-foreign.service"
    foreign.write_text("[Service]\nExecStart=/bin/true\n")
    refused(at(services["one"], *service("test-foreign")), "is the unit of something else", "--service-name")
    [rule] = [f for f in (systemd_board.root / "etc/sudoers.d").iterdir() if "NOPASSWD" in f.read_text()]
    text = rule.read_text()
    rule.write_text(text.replace("NOPASSWD:", ""))
    try:
        refused(at(services["one"], *service("test-sudo")), "may not use sudo without a password", "--user")
    finally:
        rule.write_text(text)
    assert "nothing is deployed" in done(at(services["one"], "--status"))


def test_python_is_asked_for_only_where_it_is_needed(at, services):
    """MQTT is Python's; this board has no edge-lstm."""
    refused(
        at(services["one"], *service("test-mqtt", "--system", "--from", "mqtt://hub/in")), "--from mqtt: needs Python"
    )

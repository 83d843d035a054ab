"""The unit of a deployed stream: which program it runs, how systemd reads it, and what it may do."""

from __future__ import annotations

import os
import subprocess

import pytest

from edge_lstm.deploy.probe import Board, Service
from edge_lstm.deploy.service import ServiceWish, needs_python, unit
from edge_lstm.errors import DeployError, ProjectError

BOARD = Board(
    machine="aarch64",
    arch="aarch64",
    libc="glibc 2.36",
    python=("3.11.2", "edge_lstm"),
    program="/usr/bin/true",
    uid=1000,
    user="daemon",
    root="/home/pi/edge-lstm/tag",
    free=None,
    unwritable=None,
    systemd=True,
)
SERIAL = ("--from", "serial:/dev/ttyUSB0?baud=115200")


def unit_of(arguments, kind="system", board=BOARD, model="tag"):
    return unit(ServiceWish(tuple(arguments), kind), Service(kind, "x"), board, "aarch64", model)


def setting(text, key):
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


STATIC = {
    "--from serial:/dev/ttyUSB0?baud=9600": None,
    "--from=tcp://h:1 --to tcp://h:2 --json": None,
    "--from udp://:7 --to=file:/var/log/x --every-step": None,
    "--from tcp-listen://:7 --missing hold --range refuse --range-factor 2 --malformed skip --state-every 9s": None,
    "--from file:/dev/shm/x --input binary --format binary": None,
    "--from mqtt://h/t": "--from mqtt:",
    "--from=iio:/sys/bus/iio": "--from iio:",
    "--from tcp://h:1 --to mqtt://h/t": "--to mqtt:",
    "--from tcp://h:1 --to udp://h:1": "--to udp:",
    "--from tcp://h:1 --backend litert": "--backend",
    "--queue 5 --from tcp://h:1": "--queue",
}


@pytest.mark.parametrize("arguments", STATIC)
def test_arguments_decide_whether_python_is_needed(arguments):
    """The static program does what it can; the rest is for ``edge-lstm stream``, and its reason is named."""
    assert needs_python(arguments.split()) == STATIC[arguments]


def test_the_static_program_is_started_through_the_link(tmp_path):
    """An upgrade is a restart, and each model finds its own state."""
    root = "/home/pi/edge-lstm/tag"
    said = unit_of(SERIAL)
    program = f"{root}/current/linux/aarch64/edge-lstm-stream"
    state = f"--state {root}/current/state/stream.state"
    assert setting(said, "ExecStart") == [f'{program} --from "serial:/dev/ttyUSB0?baud=115200" {state}']
    assert setting(said, "Type") == ["notify"]
    assert setting(said, "Restart") == ["always"]
    assert setting(said, "WatchdogSec") == ["30"]
    assert setting(said, "User") == ["daemon"]


def test_python_is_used_where_it_is_needed_and_there():
    """By the board's own ``edge-lstm``; without it the wish is refused."""
    mqtt = ("--from", "mqtt://hub/in")
    [command] = setting(unit_of(mqtt), "ExecStart")
    assert command.startswith("/usr/bin/true stream /home/pi/edge-lstm/tag/current --from mqtt://hub/in --state ")
    without = Board(**{**vars(BOARD), "program": None})
    with pytest.raises(DeployError, match="--from mqtt: needs Python and edge-lstm on the board, which has none"):
        unit_of(mqtt, board=without)


@pytest.mark.parametrize("kind", ["user", "system"])
@pytest.mark.parametrize(
    ("root", "arguments"),
    [
        ("/home/pi/edge-lstm/tag", SERIAL),
        (
            "/srv/a place/50 % off",
            ("--from", "file:/a b/$x/50%/'q'", "--reset", "gap > 100", "--to", 'file:/a $b/"c"/x'),
        ),
        ("/srv/größer", ("--from", "tcp://h:1", "--to", "file:/var/lib/out put/x")),
    ],
)
def test_systemd_reads_every_unit_without_a_complaint(tmp_path, kind, root, arguments):
    """Blanks, quotes, per cents and dollars are arguments like any other."""
    place = tmp_path / root.lstrip("/")
    program = place / "current" / "linux" / "aarch64" / "edge-lstm-stream"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (place / "state").mkdir()
    file = tmp_path / "edge-lstm-x.service"
    file.write_text(unit_of(arguments, kind, Board(**{**vars(BOARD), "root": str(place)})))
    command = ["systemd-analyze", "verify", *(["--user"] if kind == "user" else []), file]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_service_may_write_its_state_and_what_it_is_told_to():
    """The rest of the file system is read-only, and devices are left to it."""
    said = unit_of(("--from", "tcp://h:1", "--to", "file:/var/lib/lstm/out.csv"))
    assert setting(said, "ReadWritePaths") == ["/home/pi/edge-lstm/tag/state", "-/var/lib/lstm"]
    assert setting(said, "ProtectSystem") == ["strict"]
    assert not any(setting(said, key) for key in ("PrivateDevices", "DevicePolicy", "ProtectClock"))


@pytest.mark.parametrize("sign", ['"', "'", "\\", "$"])
def test_a_place_that_systemd_runs_nothing_in_is_refused(sign):
    """It takes no quotes in the name of a program."""
    with pytest.raises(DeployError, match="give another with --path"):
        unit_of(SERIAL, board=Board(**{**vars(BOARD), "root": f"/srv/{sign}"}))


def test_a_line_break_in_an_argument_is_refused():
    """It would be a line of the unit."""
    with pytest.raises(ProjectError, match="line break"):
        ServiceWish(("--from", "tcp://h:1", "--missing", "hold\nUser=root"))


def test_a_service_is_called_by_its_model():
    """With what a unit may be called."""
    wish = ServiceWish(("--from", "tcp://h:1"))
    assert wish.on(BOARD, "größer & mehr") == Service("user", "edge-lstm-gr-er-mehr")
    assert wish.on(Board(**{**vars(BOARD), "uid": 0}), "tag") == Service("system", "edge-lstm-tag")


def test_a_place_with_a_line_break_is_refused():
    """It would be a line of the unit, too."""
    from edge_lstm.deploy.target import parse_target

    with pytest.raises(ProjectError, match="cannot be printed"):
        parse_target("pi@hall", path="/a\nb")

"""edge-lstm fleet: many boards side by side, each on its own, and a second run that does only what is left."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from deploy_boards import done, identity, refused, run, whole
from ssh_board import free_port

from edge_lstm.deploy.fleet import load_fleet
from edge_lstm.errors import ProjectError


@pytest.fixture
def fleet(board, tmp_path):
    """Three places on the board as three boards, and a fourth that nobody answers."""
    file = tmp_path / "fleet.toml"
    tables = [f'[[target]]\nhost = "{board.target}"\nname = "b{k}"\npath = "{tmp_path}/b{k}"\n' for k in range(3)]
    dead = f'[[target]]\nhost = "{board.target}"\nname = "dead"\nport = {free_port()}\n'
    file.write_text("\n".join([*tables, dead]))
    return file


def on_fleet(board, fleet, bundle, *more):
    return run("fleet", bundle, fleet, *board.options(), *more)


def test_one_board_that_fails_stops_no_other(board, fleet, deployable, tmp_path):
    """Three are done, one is not: its reason is one line, and the exit code 1."""
    result = on_fleet(board, fleet, deployable["one"])
    assert result.exit_code == 1
    for k in range(3):
        whole(tmp_path / f"b{k}", deployable["one"])
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:4]] == [*([f"b{k}", "done"] for k in range(3)), ["dead", "failed"]]
    assert lines[4].startswith("dead: root@127.0.0.1 port ")
    assert "refuses the connection" in lines[4]
    assert lines[5:] == ["3 of 4 boards are done"]


def test_a_second_run_does_what_is_left(board, fleet, deployable, tmp_path):
    """The three are not asked again; --again asks all; another bundle is another matter."""
    on_fleet(board, fleet, deployable["one"])
    accepted = _connections(board)
    fleet.write_text(fleet.read_text().split("port =")[0] + f'path = "{tmp_path}/fourth"\n')
    assert "4 of 4 boards are done" in done(on_fleet(board, fleet, deployable["one"]))
    assert _connections(board) == accepted + 1
    whole(tmp_path / "fourth", deployable["one"])
    done(on_fleet(board, fleet, deployable["one"], "--again"))
    assert _connections(board) == accepted + 5
    done(on_fleet(board, fleet, deployable["two"]))
    assert _connections(board) == accepted + 9
    state = json.loads((tmp_path / "fleet.state.json").read_text())
    assert {request.split("-")[0] for request in state["done"].values()} == {identity(deployable["two"])}


def _connections(board):
    return (board.folder / "log").read_text().count("Accepted publickey")


def test_another_wish_is_another_run(board, fleet, deployable, tmp_path):
    """--with changes what is asked, so it is done."""
    on_fleet(board, fleet, deployable["one"])
    on_fleet(board, fleet, deployable["one"], "--with", "float")
    assert (tmp_path / "b2" / "current" / "float.safetensors").is_file()


def test_a_killed_run_goes_on_where_it_was(board, fleet, deployable, tmp_path):
    """What is done is written board by board."""
    main = "from edge_lstm.cli import main; main()"
    options = ["fleet", deployable["one"], fleet, *board.options(), "--jobs", "1"]
    process = subprocess.Popen([sys.executable, "-c", main, *map(str, options)], stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("b1: "):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert set(json.loads((tmp_path / "fleet.state.json").read_text())["done"]) == {"b0"}
    result = on_fleet(board, fleet, deployable["one"])
    rows = dict(line.split("  ", 1) for line in result.stdout.splitlines()[:4])
    assert [rows[f"b{k}"].strip()[:11] == "done before" for k in range(3)] == [True, False, False]
    assert result.stdout.endswith("3 of 4 boards are done\n")


def test_boards_are_done_side_by_side(board, fleet, deployable):
    """As many at a time as --jobs says: the first to begin does not end before the last of them has begun."""
    lines = on_fleet(board, fleet, deployable["one"], "--jobs", "4").stderr.splitlines()
    begun = max(lines.index(f"b{k}: probe") for k in range(3))
    assert begun < min(lines.index(f"b{k}: done") for k in range(3))
    lines = on_fleet(board, fleet, deployable["two"], "--jobs", "1").stderr.splitlines()
    assert [line for line in lines if line.endswith((": probe", ": done"))] == [
        *(f"b{k}: {step}" for k in range(3) for step in ("probe", "done")),
        "dead: probe",
    ]


def test_status_dry_run_and_rollback_go_to_all(board, fleet, deployable, tmp_path):
    """A rollback is remembered: the next run deploys again."""
    for name in ("one", "two"):
        on_fleet(board, fleet, deployable[name])
    assert identity(deployable["two"]) in on_fleet(board, fleet, deployable["two"], "--status").stdout
    assert "would copy" in on_fleet(board, fleet, deployable["three"], "--dry-run").stdout
    on_fleet(board, fleet, deployable["two"], "--rollback")
    whole(tmp_path / "b2", deployable["one"])
    on_fleet(board, fleet, deployable["two"])
    whole(tmp_path / "b2", deployable["two"])


def test_a_bundle_that_is_not_signed_goes_to_nobody(board, fleet, deployable, tmp_path):
    """The requirement is of all, and comes first."""
    from edge_lstm.signing import new_key

    public = new_key(tmp_path / "release.pem")
    before = _connections(board)
    refused(on_fleet(board, fleet, deployable["one"], "--require-signature", public), "is not signed")
    assert _connections(board) == before


def test_json_tells_each_board(board, fleet, deployable):
    """For machines: how each went, in the order of the file."""
    result = on_fleet(board, fleet, deployable["one"], "--json")
    told = json.loads(result.stdout)
    assert result.stderr == ""
    assert told["failed"] == 1
    assert [(t["name"], t["outcome"]) for t in told["targets"]] == [
        *((f"b{k}", "done") for k in range(3)),
        ("dead", "failed"),
    ]
    assert told["targets"][0]["result"]["release"] == identity(deployable["one"])
    assert "refuses the connection" in told["targets"][3]["error"]


def test_a_terminal_shows_a_line_a_board(board, fleet, deployable):
    """As they move through the phases, in place."""
    main = "from edge_lstm.cli import main; main()"
    near, far = pty.openpty()
    options = [*map(str, ["fleet", deployable["one"], fleet, *board.options()])]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-c", main, *options], stdout=subprocess.PIPE, stderr=far, env=environment
    )
    os.close(far)
    shown = b""
    while True:
        try:
            shown += os.read(near, 65536)
        except OSError:
            break
    os.close(near)
    process.communicate()
    assert process.returncode == 1
    assert b"\x1b[1A" in shown
    assert b"b0  done" in shown
    assert b"dead  failed" in shown


BROKEN = {
    "not TOML": ("[[target", "is not TOML"),
    "empty": ("", "has no target"),
    "a table": ('[target]\nhost = "a"', "has no target"),
    "another table": ('[[targets]]\nhost = "a"', "did you mean 'target'"),
    "no host": ('[[target]]\nname = "a"', "key 'host' is missing"),
    "an unknown key": ('[[target]]\nhost = "a"\nprot = 1', "did you mean 'port'"),
    "a wrong type": ('[[target]]\nhost = "a"\nport = "22"', "is not a whole number"),
    "a wrong port": ('[[target]]\nhost = "a"\nport = 70000', "from 1 to 65535"),
    "two of a name": ('[[target]]\nhost = "a"\n[[target]]\nhost = "a"', "2 targets are called 'a'"),
    "no kind of service": ('[[target]]\nhost = "a"\nservice = "systm"', "did you mean 'system'"),
    "a service of nothing": ('[[target]]\nhost = "a"\nservice = "user"', "a service has no stdin"),
    "a stream without service": ('[[target]]\nhost = "a"\nstream = ["--json"]', "stream is of a service"),
    "an unknown arch": ('[[target]]\nhost = "a"\narch = "armv7"', "did you mean 'armv7l'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_is_wrong_is_refused_before_anything(deployable, tmp_path, case):
    """As the project file is: every key known, every value of its type."""
    text, message = BROKEN[case]
    (tmp_path / "fleet.toml").write_text(text)
    refused(run("fleet", deployable["one"], tmp_path / "fleet.toml"), "fleet.toml", message)


def test_what_a_target_leaves_out_is_the_command_lines(tmp_path):
    """Its own port, path and key come first; a relative key lies beside the file."""
    (tmp_path / "fleet.toml").write_text(
        '[[target]]\nhost = "a"\n'
        '[[target]]\nhost = "b"\nport = 2\npath = "/p"\nidentity = "key"\nssh_option = ["A=1"]\n'
    )
    first, second = load_fleet(tmp_path / "fleet.toml")
    defaults = {"port": 1, "path": None, "identity": Path("/i"), "options": ("B=2",), "config": None}
    a, b = first.target(defaults, tmp_path), second.target(defaults, tmp_path)
    assert (a.port, a.path, a.identity, a.options) == (1, None, Path("/i"), ("B=2",))
    assert (b.port, b.path, b.identity, b.options) == (2, "/p", tmp_path / "key", ("A=1", "B=2"))


def test_a_file_that_is_missing_or_a_state_that_is_none_is_refused(deployable, tmp_path):
    """One line each."""
    with pytest.raises(ProjectError, match="cannot be read"):
        load_fleet(tmp_path / "none.toml")
    (tmp_path / "fleet.toml").write_text('[[target]]\nhost = "pi@nowhere.invalid"\n')
    (tmp_path / "fleet.state.json").write_text("[]")
    refused(run("fleet", deployable["one"], tmp_path / "fleet.toml"), "fleet.state.json", "remove it")


def test_folders_may_be_in_a_fleet(deployable, tmp_path):
    """Cards to be put into boards, one an architecture."""
    (tmp_path / "fleet.toml").write_text(f'[[target]]\nhost = "folder:{tmp_path}/card"\narch = "x86_64"\n')
    began = time.monotonic()
    done(run("fleet", deployable["one"], tmp_path / "fleet.toml"))
    whole(tmp_path / "card", deployable["one"])
    assert time.monotonic() - began < 5

"""edge-lstm deploy: everything that goes wrong is one line with the next move, and what ran before still runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from deploy_boards import deploy_to, done, identity, refused, run, tree, whole
from deploy_bundles import add_file
from ssh_board import free_port, plain_user, ssh_board


@pytest.fixture
def root(tmp_path):
    return tmp_path / "deployed"


@pytest.fixture
def standing(two_releases, root, deployable):
    """A deployment with two releases, which no fault may change; gives its place."""
    shutil.copytree(two_releases, root, symlinks=True)
    before = _without_lock(root)
    yield root
    assert _without_lock(root) == before
    whole(root, deployable["one"])


def _without_lock(root):
    return {name: content for name, content in tree(root).items() if name not in (".lock", "releases/.lock")}


@contextlib.contextmanager
def tmpfs(folder, options):
    """A small file system of its own on a folder."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def asked(board, bundle, *more, target=None, without=()):
    """A deploy with some of the board's options taken out or put before."""
    options = board.options()
    for flag in without:
        at = options.index(flag)
        del options[at : at + 2]
    return run("deploy", bundle, target or board.target, *more, *options)


def test_an_unknown_host_is_named(board, deployable):
    refused(
        asked(board, deployable["one"], target="pi@no-such-board.invalid"),
        "pi@no-such-board.invalid",
        "not known",
        "check its spelling",
    )


def test_a_refused_connection_is_named(board, deployable):
    result = asked(board, deployable["one"], "--port", free_port(), without=["--port"])
    refused(result, "refuses the connection", "--port")


def test_a_network_that_leads_nowhere_is_named(board, deployable):
    """Through a name space without a network, as a workstation without its cable."""
    command = ["unshare", "--net", "edge-lstm", "deploy", deployable["one"], "root@203.0.113.1", *board.options()]
    ran = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=_with_our_command())
    assert ran.returncode == 2, ran
    assert "there is no way to it" in ran.stderr


def _with_our_command():
    import sys

    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def test_a_board_that_does_not_answer_is_given_up(board, deployable):
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        more = ("--port", silent.getsockname()[1], "--ssh-option", "ConnectTimeout=1")
        began = time.monotonic()
        refused(asked(board, deployable["one"], *more, without=["--port"]), "does not answer")
    assert time.monotonic() - began < 10


def test_a_key_that_is_not_accepted_is_named(board, deployable, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    result = asked(board, deployable["one"], "--identity", tmp_path / "other", without=["--identity"])
    refused(result, "accepts none of the keys", "--identity", "ssh-copy-id root@127.0.0.1")


def test_a_key_or_configuration_that_does_not_exist_is_named(board, deployable, tmp_path):
    for flag in ("--identity", "--ssh-config"):
        result = asked(board, deployable["one"], flag, tmp_path / "none", without=[flag])
        refused(result, f"{tmp_path}/none: does not exist", flag)


def test_a_key_that_others_may_read_is_named(board, deployable, tmp_path):
    shutil.copy(board.folder / "key", tmp_path / "key")
    (tmp_path / "key").chmod(0o644)
    result = asked(board, deployable["one"], "--identity", tmp_path / "key", without=["--identity"])
    refused(result, "others may read the private key", "chmod 600")


def test_an_unknown_host_key_is_not_accepted(board, deployable, tmp_path):
    """Nothing is learnt behind the user's back."""
    known = tmp_path / "known_hosts"
    result = asked(board, deployable["one"], "--ssh-option", f"UserKnownHostsFile={known}")
    refused(result, "host key is not known", "ssh root@127.0.0.1", "fingerprint")
    assert not known.exists()


def test_a_changed_host_key_is_refused(board, deployable, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "host"], check=True)
    known = tmp_path / "known_hosts"
    known.write_text(f"board {(tmp_path / 'host.pub').read_text()}")
    result = asked(board, deployable["one"], "--ssh-option", f"UserKnownHostsFile={known}")
    refused(result, "host key is not the one known", "ssh-keygen -R")


def test_an_option_that_ssh_does_not_know_is_named(board, deployable):
    refused(
        asked(board, deployable["one"], "--ssh-option", "Colour=blue"),
        "ssh does not accept its options",
        "--ssh-option",
    )
    refused(asked(board, deployable["one"], "--ssh-option", "Colour"), "is not KEY=VALUE")


def test_a_workstation_without_ssh_says_what_to_install(board, deployable, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    refused(asked(board, deployable["one"]), "ssh is not installed", "apt install openssh-client", code=3)


def test_a_disk_that_df_calls_full_is_refused_before_anything_is_sent(board, deployable, tmp_path):
    """Needed against free."""
    with tmpfs(tmp_path / "small", "size=40k") as small:
        said = refused(deploy_to(board, small / "deployed", deployable["one"]), "the release needs", "B are free")
        assert "--path" in said
        assert tree(small) == {}


def test_a_disk_that_fills_up_is_refused_and_left_clean(board, deployable, tmp_path):
    """df counts bytes; this one has no inodes left for the last files. The old release stays and nothing else."""
    with tmpfs(tmp_path / "small", "size=4m,nr_inodes=26") as small:
        root = small / "deployed"
        done(deploy_to(board, root, deployable["one"]))
        before = _without_lock(root)
        for _ in range(2):
            refused(deploy_to(board, root, deployable["two"]), "no space is left there")
        assert _without_lock(root) == before
        whole(root, deployable["one"])
        subprocess.run(["mount", "-o", "remount,nr_inodes=100", small], check=True)
        done(deploy_to(board, root, deployable["two"]))
        whole(root, deployable["two"])


def test_a_disk_with_no_room_for_the_bytes_is_left_clean(board, deployable, tmp_path):
    """Somebody else takes the room between the question and the copy; here a quota that df does not show."""
    with tmpfs(tmp_path / "small", "size=1m") as small:
        root = small / "deployed"
        done(deploy_to(board, root, deployable["one"]))
        free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
        (small / "ballast").write_bytes(bytes(free - (100 << 10)))
        before = _without_lock(root)
        with ssh_board(tmp_path / "lying", path=_tools(tmp_path, "df", "echo x; echo fs 9 9 999999 1% /")) as lying:
            refused(deploy_to(lying, root, _padded(deployable["two"], tmp_path)), "no space is left there")
        assert _without_lock(root) == before
        whole(root, deployable["one"])


def _padded(bundle, tmp_path):
    from deploy_bundles import add_file

    padded = tmp_path / "padded"
    shutil.copytree(bundle, padded)
    add_file(padded, "linux/x86_64/libedge_lstm_model.so", os.urandom(300 << 10))
    return padded


def _tools(tmp_path, name, text):
    """A PATH whose first folder holds one tool of ours."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
    return f"{folder}:/usr/local/bin:/usr/bin:/bin"


def test_a_read_only_file_system_is_named(board, deployable, tmp_path):
    with tmpfs(tmp_path / "small", "size=4m") as small:
        root = small / "deployed"
        done(deploy_to(board, root, deployable["one"]))
        before = tree(root)
        subprocess.run(["mount", "-o", "remount,ro", small], check=True)
        refused(deploy_to(board, root, deployable["two"]), "read-only", "--path")
        assert tree(root) == before
        whole(root, deployable["one"])


def test_a_file_system_that_turns_read_only_in_the_middle_is_named(board, deployable, tmp_path):
    """As the kernel does when a card fails."""
    with tmpfs(tmp_path / "small", "size=4m") as small:
        root = small / "deployed"
        done(deploy_to(board, root, deployable["one"]))
        text = 'mount --bind "$4" "$4"; mount -o remount,bind,ro "$4"; exec /bin/tar "$@"'
        with ssh_board(tmp_path / "failing", path=_tools(tmp_path, "tar", text)) as failing:
            refused(deploy_to(failing, root, deployable["two"]), "read-only")
        subprocess.run(["umount", *root.glob(".incoming*")], check=True)
        whole(root, deployable["one"])
        done(deploy_to(board, root, deployable["two"]))
        assert not list(root.glob(".incoming*"))


def test_a_place_that_the_user_may_not_write_is_named(deployable, tmp_path):
    """A user without rights, before anything is sent."""
    with tempfile.TemporaryDirectory() as name, plain_user(Path(name) / "board" / "home") as user:
        folder = Path(name)  # not tmp_path, into which root alone may look
        folder.chmod(0o755)
        with ssh_board(folder / "board", user) as board:
            shutil.chown(board.home, user)
            refused(deploy_to(board, folder / "deployed", deployable["one"]), "may not write there", "--path")
            done(run("deploy", deployable["one"], board.target, *board.options()))
            whole(board.home / "edge-lstm" / "tag", deployable["one"])


def test_a_place_that_is_a_file_or_holds_other_files_is_named(board, deployable, tmp_path):
    (tmp_path / "file").write_text("somebody's")
    refused(deploy_to(board, tmp_path / "file" / "deployed", deployable["one"]), "file is no folder there", "--path")
    refused(deploy_to(board, tmp_path, deployable["one"]), "holds files but no deployment", "--path")


def test_a_bundle_without_a_program_for_the_board_is_refused(board, standing, deployable):
    refused(
        deploy_to(board, standing, deployable["aarch64"]),
        "holds no program for x86_64",
        "it holds aarch64",
        "export it again",
    )


def test_a_machine_that_nothing_is_built_for_is_named(deployable, tmp_path):
    with ssh_board(tmp_path / "riscv", path=_tools(tmp_path, "uname", "echo riscv64")) as board:
        refused(deploy_to(board, tmp_path / "deployed", deployable["one"]), "nothing is built for a riscv64")


def test_a_program_of_another_machine_is_not_run(board, standing, deployable, tmp_path):
    """A bundle whose folder says x86_64 and whose program is not; a shell would take it for a script."""
    from deploy_bundles import MACHINES, add_file

    bundle = tmp_path / "mixed"
    shutil.copytree(deployable["one"], bundle)
    program = (bundle / "linux/x86_64/edge-lstm-stream").read_bytes()
    add_file(bundle, "linux/x86_64/edge-lstm-stream", program[:18] + MACHINES["aarch64"] + program[20:])
    refused(deploy_to(board, standing, bundle), "program of another machine", "what ran there before still runs")


def test_a_program_that_fails_its_self_test_is_refused(board, standing, deployable):
    said = refused(deploy_to(board, standing, deployable["faulty"]), "self-test fails there", "still runs")
    assert "step 3, output 1: 17 where 18 is expected" in said


def test_a_program_that_crashes_is_refused(board, standing, deployable, tmp_path):
    """Its first instructions are garbage, and the manifest agrees with them."""
    from deploy_bundles import add_file

    bundle = tmp_path / "crashing"
    shutil.copytree(deployable["one"], bundle)
    program = bytearray((bundle / "linux/x86_64/edge-lstm-stream").read_bytes())
    program[0x1000:0x4000] = b"\xcc" * 0x3000
    add_file(bundle, "linux/x86_64/edge-lstm-stream", bytes(program))
    refused(deploy_to(board, standing, bundle), "self-test fails there")


def test_a_program_of_another_model_is_refused(board, standing, deployable):
    refused(deploy_to(board, standing, deployable["other model"]), "is of model 000000000000", "nothing was changed")


@pytest.mark.parametrize("name", ["linux/x86_64/edge-lstm-stream", "SHA256SUMS", "manifest.json"])
def test_what_is_corrupted_on_arrival_is_refused(standing, deployable, tmp_path, name):
    """A card that writes another bit than it was given; here tar's last act."""
    flip = f'/bin/tar "$@" || exit; printf X | dd of="$4/{name}" bs=1 seek=9 conv=notrunc 2>/dev/null'
    with ssh_board(tmp_path / "flipping", path=_tools(tmp_path, "tar", flip)) as board:
        refused(deploy_to(board, standing, deployable["three"]), f"{name} did not arrive as it was sent", "still runs")


@pytest.mark.parametrize("tool", ["tar", "sha256sum", "dd", "id"])
def test_a_tool_that_is_missing_there_is_named(standing, deployable, tmp_path, tool):
    """A board with every tool but one."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for path in Path("/usr/bin").iterdir():
        if path.name not in (tool, "shasum"):
            (folder / path.name).symlink_to(path)
    with ssh_board(tmp_path / "lacking", path=str(folder)) as board:
        refused(deploy_to(board, standing, deployable["three"]), f"{tool} is not installed there")


def test_links_that_cannot_be_replaced_in_one_step_are_refused_by_name(standing, deployable, tmp_path):
    """Neither mv -T nor python3 nor perl; and each of the two others will do."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for path in Path("/usr/bin").iterdir():
        if path.name not in ("mv", "perl") and not path.name.startswith("python"):
            (folder / path.name).symlink_to(path)
    (folder / "mv").write_text('#!/bin/sh\ncase "$*" in *-T*) exit 1; esac\nexec /usr/bin/mv "$@"\n')
    (folder / "mv").chmod(0o755)
    with ssh_board(tmp_path / "lacking", path=str(folder)) as board:
        said = refused(deploy_to(board, standing, deployable["three"]), "replaces a link in one step")
        assert all(way in said for way in ("mv -T", "python3", "perl"))
        for other in ("perl", "python3"):
            (folder / other).symlink_to(f"/usr/bin/{other}")
            done(deploy_to(board, tmp_path / f"by {other}", deployable["one"]))
            done(deploy_to(board, tmp_path / f"by {other}", deployable["two"]))
            whole(tmp_path / f"by {other}", deployable["two"])
            (folder / other).unlink()


def test_a_deploy_that_another_one_holds_up_is_refused(board, standing, deployable):
    """After some seconds; the other's process is named."""
    with subprocess.Popen(["flock", standing / ".lock", "sleep", "60"]) as other:
        time.sleep(0.2)
        (standing / ".lock").write_text(f"{other.pid}\n")
        refused(deploy_to(board, standing, deployable["three"]), "another deploy", f"process {other.pid}")
        other.terminate()


def test_two_deploys_at_once_are_one_after_the_other(board, root, deployable):
    """Both do well, and what is there at the end is whole: one current, the other previous."""
    results = {}

    def one(name):
        command = ["edge-lstm", "deploy", deployable[name], board.target, *board.options(), "--path", root]
        results[name] = subprocess.run([*map(str, command)], capture_output=True, text=True, env=_with_our_command())

    threads = [threading.Thread(target=one, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.returncode for result in results.values()] == [0, 0], results
    links = {(root / name).resolve().name for name in ("current", "previous")}
    assert links == {identity(deployable["one"]), identity(deployable["two"])}
    current = next(name for name in ("one", "two") if (root / "current").resolve().name == identity(deployable[name]))
    whole(root, deployable[current])


def test_there_is_nothing_to_roll_back_to(board, root, deployable):
    refused(deploy_to(board, root, deployable["one"], "--rollback"), "no previous release")
    done(deploy_to(board, root, deployable["one"]))
    refused(deploy_to(board, root, deployable["one"], "--rollback"), "no previous release")
    whole(root, deployable["one"])


def test_a_board_without_systemd_takes_no_service(board, standing, deployable):
    """Before anything is sent."""
    service = ("--service", "--", "--from", "tcp-listen://:7000")
    refused(deploy_to(board, standing, deployable["three"], *service), "no systemd runs there", "leave out --service")


def test_a_self_test_that_hangs_ends(board, deployable, tmp_path, monkeypatch):
    """The limit is two minutes; here two seconds."""
    from edge_lstm.deploy import shell

    plain = shell.script
    monkeypatch.setattr(
        "edge_lstm.deploy.change.script", lambda *a, **k: plain(*a, **k).replace("limit=120", "limit=1")
    )
    from deploy_bundles import add_file

    bundle = tmp_path / "hanging"
    shutil.copytree(deployable["one"], bundle)
    program = bytearray((bundle / "linux/x86_64/edge-lstm-stream").read_bytes())
    entry = int.from_bytes(program[24:32], "little")
    offset = _offset(program, entry)
    program[offset : offset + 2] = b"\xeb\xfe"
    add_file(bundle, "linux/x86_64/edge-lstm-stream", bytes(program))
    refused(deploy_to(board, tmp_path / "deployed", bundle), "self-test fails there", "124")


def _offset(program, address):
    """Where the byte of an address lies in an ELF file of 64 bits."""
    start, size, count = (int.from_bytes(program[a:b], "little") for a, b in ((32, 40), (54, 56), (56, 58)))
    for k in range(count):
        header = program[start + k * size : start + (k + 1) * size]
        offset, virtual, length = (int.from_bytes(header[a : a + 8], "little") for a in (8, 16, 32))
        if header[0] == 1 and virtual <= address < virtual + length:
            return offset + address - virtual
    raise AssertionError("no such address")


def test_an_interrupt_leaves_the_old_release(board, standing, deployable, tmp_path):
    """Ctrl-C while the archive, which is large, is on its way."""
    bundle = shutil.copytree(deployable["three"], tmp_path / "large")
    add_file(bundle, "linux/x86_64/ballast", os.urandom(100 << 20))
    command = ["edge-lstm", "deploy", bundle, board.target, *board.options(), "--path", standing]
    process = subprocess.Popen(
        [*map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
        env=_with_our_command(),
        # What a shell starts in the background ignores SIGINT, and so does all that it starts in turn.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for line in process.stderr:
        if line.startswith("send"):
            break
    process.send_signal(signal.SIGINT)
    process.stderr.read()
    process.stderr.close()
    assert process.wait() == 130
    _until_idle(standing)


def _until_idle(root):
    subprocess.run(["flock", "-w", "20", root / ".lock", "true"], check=True)


FLAGS = {
    "--rollback --status": "give one",
    "--status --service -- --from tcp://h:1": "--status installs no service",
    "--user": "--user is of a service",
    "--service-name x": "add --service",
    "-- --from tcp://h:1": "add --service",
    "--service": "a service has no stdin",
    "--service -- --from -": "a service has no stdin",
    "--service -- --from tcp://h:1 --state x": "leave out --state",
    "--service --service-name a/b -- --from tcp://h:1": "is no unit's",
}


@pytest.mark.parametrize("flags", FLAGS)
def test_flags_that_contradict_are_refused(deployable, flags):
    """Before anybody is asked."""
    refused(run("deploy", deployable["one"], "pi@nowhere.invalid", *flags.split()), FLAGS[flags])

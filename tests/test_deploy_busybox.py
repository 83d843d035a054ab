"""A board that has busybox and nothing else: its ash, its tar, its mv; no Python, no coreutils, no systemd."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cut_proxy import cut_proxy
from deploy_boards import deploy_to, done, identity, refused, whole
from ssh_board import ssh_board

BUSYBOX = "/bin/busybox"
DEPLOYED = Path("/opt/deployed")


@contextlib.contextmanager
def busybox_root() -> Iterator[Path]:
    """A file system with the applets alone. Below /run: sshd locks nobody into a folder that others may write."""
    with tempfile.TemporaryDirectory(dir="/run", prefix="edge-lstm-busybox-") as name:
        root = Path(name)
        root.chmod(0o755)
        subprocess.run(["mount", "--bind", root, root], check=True)  # df wants it to be one
        for folder in ("bin", "dev", "opt", "proc", "root", "tmp"):
            (root / folder).mkdir()
        shutil.copy(BUSYBOX, root / "bin" / "busybox")
        subprocess.run(["chroot", root, "/bin/busybox", "--install", "-s", "/bin"], check=True)
        # root's login shell in this computer's table of users
        (root / "bin" / "bash").write_text('#!/bin/sh\nexec /bin/sh "$@"\n')
        (root / "bin" / "bash").chmod(0o755)
        (root / "dev" / "null").touch()
        subprocess.run(["mount", "--bind", "/dev/null", root / "dev" / "null"], check=True)
        subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
        try:
            yield root
        finally:
            subprocess.run(["umount", "--lazy", root / "proc", root / "dev" / "null", root], check=True)


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    with busybox_root() as root, ssh_board(tmp_path_factory.mktemp("busybox"), path="/bin", root=root) as served:
        yield served, root


@pytest.fixture
def deployed(board):
    """The place of the deployment, from here; empty."""
    root = board[1] / DEPLOYED.relative_to("/")
    yield root
    shutil.rmtree(root, ignore_errors=True)


def test_it_is_busybox_that_does_it(board):
    """No other program is there to be run."""
    asked = "for tool in sh tar mv dd; do readlink -f /bin/$tool; done"
    options = ["-F", "/dev/null", "-p", str(board[0].port), "-i", board[0].folder / "key", "-o", "BatchMode=yes"]
    options += ["-o", f"UserKnownHostsFile={board[0].folder}/known_hosts", "-o", "HostKeyAlias=board"]
    said = subprocess.run(["ssh", *options, "root@127.0.0.1", asked], capture_output=True, text=True, check=True)
    assert set(said.stdout.split()) == {"/bin/busybox"}
    assert {path.name for path in board[1].iterdir()} == {"bin", "dev", "opt", "proc", "root", "tmp"}


def test_deploy_upgrade_and_rollback_go_as_anywhere(board, deployed, deployable):
    """Sent, verified, tried, switched, pruned, gone back to."""
    for name in ("one", "two", "three"):
        done(deploy_to(board[0], DEPLOYED, deployable[name]))
        whole(deployed, deployable[name])
    assert {p.name for p in (deployed / "releases").iterdir()} == {identity(deployable[n]) for n in ("two", "three")}
    done(deploy_to(board[0], DEPLOYED, deployable["three"], "--rollback"))
    whole(deployed, deployable["two"])
    assert f"release {identity(deployable['two'])}" in done(
        deploy_to(board[0], DEPLOYED, deployable["two"], "--status")
    )
    assert "nothing was copied" in done(deploy_to(board[0], DEPLOYED, deployable["two"]))


def test_refusals_are_the_same(board, deployed, deployable):
    """A failed self-test, an architecture, a service, nothing to go back to, another deploy."""
    done(deploy_to(board[0], DEPLOYED, deployable["one"]))
    refused(deploy_to(board[0], DEPLOYED, deployable["faulty"]), "step 3, output 1: 17 where 18 is expected")
    refused(deploy_to(board[0], DEPLOYED, deployable["aarch64"]), "holds no program for x86_64")
    service = ("--service", "--", "--from", "tcp-listen://:7000")
    refused(deploy_to(board[0], DEPLOYED, deployable["two"], *service), "no systemd runs there")
    refused(deploy_to(board[0], DEPLOYED, deployable["two"], "--rollback"), "no previous release")
    whole(deployed, deployable["one"])


def test_a_release_that_rotted_is_found_and_replaced(board, deployed, deployable):
    """The sums are busybox's."""
    one, two = deployable["one"], deployable["two"]
    for bundle in (one, two):
        done(deploy_to(board[0], DEPLOYED, bundle))
    with (deployed / "current" / "integer/native.safetensors").open("r+b") as file:
        file.write(b"\xff")
    assert "changed since it was deployed" in done(deploy_to(board[0], DEPLOYED, two, "--status"))
    done(deploy_to(board[0], DEPLOYED, two))
    assert (deployed / "current").resolve().name == f"{identity(two)}-2"
    assert (deployed / "previous").resolve().name == identity(one)


def test_a_full_disk_is_refused_and_left_clean(board, deployed, deployable):
    """In busybox's words."""
    deployed.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,nr_inodes=22", "tmpfs", deployed], check=True)
    try:
        done(deploy_to(board[0], DEPLOYED, deployable["one"]))
        refused(deploy_to(board[0], DEPLOYED, deployable["two"]), "no space is left there")
        whole(deployed, deployable["one"])
        assert not list(deployed.glob(".incoming*"))
        subprocess.run(["mount", "-o", "remount,ro", deployed], check=True)
        refused(deploy_to(board[0], DEPLOYED, deployable["two"]), "read-only")
    finally:
        subprocess.run(["umount", "--lazy", deployed], check=True)


@pytest.mark.parametrize("after", [9_000, 20_000, 35_000])
def test_a_cut_leaves_the_old_release(board, deployed, deployable, after):
    """Its tar reads on to the end of what it is given, so it is given the archive alone."""
    done(deploy_to(board[0], DEPLOYED, deployable["one"]))
    with cut_proxy(board[0].port, "up", after) as proxy:
        refused(deploy_to(board[0], DEPLOYED, deployable["two"], port=proxy.port), "the connection was lost")
    until_idle(deployed)
    whole(deployed, deployable["one"])
    done(deploy_to(board[0], DEPLOYED, deployable["two"]))
    whole(deployed, deployable["two"])


def until_idle(root):
    """The board needs a moment to see that nobody is there any more."""
    end = time.monotonic() + 20
    while (root / ".lock.d").exists():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_without_flock_a_folder_is_the_lock(board, deployed, deployable):
    """It is gone afterwards; one that is held is respected, and one whose holder is gone is taken."""
    assert not (board[1] / "bin" / "flock").exists()
    done(deploy_to(board[0], DEPLOYED, deployable["one"]))
    assert not (deployed / ".lock.d").exists()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    with subprocess.Popen(["sleep", "60"]) as other:
        for bundle, holder in (("two", f"{other.pid} another-start\n"), ("three", f"999999 {boot}")):
            (deployed / ".lock.d").mkdir()
            (deployed / ".lock").write_text(holder)
            done(deploy_to(board[0], DEPLOYED, deployable[bundle]))
        (deployed / ".lock.d").mkdir()
        (deployed / ".lock").write_text(f"{other.pid} {boot}")
        refused(deploy_to(board[0], DEPLOYED, deployable["one"]), "another deploy", f"process {other.pid}")
        other.terminate()

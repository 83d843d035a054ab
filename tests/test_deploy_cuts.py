"""A connection cut at any byte: the old release runs, or the new one does, whole; and the next deploy does well."""

from __future__ import annotations

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cut_proxy import cut_proxy
from deploy_boards import deploy_to, done, identity, whole

from edge_lstm.bundle import Bundle
from edge_lstm.deploy import Wish, deploy, parse_target, roll_back
from edge_lstm.errors import DeployError

POINTS = 9
"""A direction; the first bytes and the last are among them."""


def target_of(board, root, port=None, *more):
    options = board.options(port)
    given = tuple(options[k + 1] for k, flag in enumerate(options) if flag == "--ssh-option")
    connection = {"port": port or board.port, "identity": board.folder / "key", "config": Path("/dev/null")}
    return parse_target(board.target, path=str(root), options=(*more, *given), **connection)


def until_idle(root):
    """The board needs a moment to see that nobody is there any more."""
    subprocess.run(["flock", "-w", "20", root / ".lock", "true"], check=True)


def cut_deploy(board, root, deployable, direction, after):
    """One is current, two is on its way when the connection ends. Gives what was said and what is current then."""
    with cut_proxy(board.port, direction, after) as proxy:
        try:
            deploy(Bundle.open(deployable["two"]), target_of(board, root, proxy.port), Wish())
            said = None
        except DeployError as error:
            said = str(error)
    until_idle(root)
    current = "two" if (root / "current").resolve().name == identity(deployable["two"]) else "one"
    whole(root, deployable[current])
    deploy(Bundle.open(deployable["two"]), target_of(board, root), Wish())
    whole(root, deployable["two"])
    assert not list(root.glob(".incoming*"))
    assert {path.name for path in (root / "releases").iterdir()} == {
        identity(deployable[name]) for name in ("one", "two")
    }
    return said, current


@pytest.fixture(scope="module")
def one_release(tmp_path_factory, board, deployable):
    root = tmp_path_factory.mktemp("one-release") / "deployed"
    done(deploy_to(board, root, deployable["one"]))
    return root


@pytest.fixture(scope="module")
def traffic(tmp_path_factory, board, one_release, deployable):
    """Bytes of a whole deploy in each direction."""
    root = tmp_path_factory.mktemp("traffic") / "deployed"
    shutil.copytree(one_release, root, symlinks=True)
    with cut_proxy(board.port) as proxy:
        deploy(Bundle.open(deployable["two"]), target_of(board, root, proxy.port), Wish())
        return dict(proxy.passed)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_cut_at_any_byte_leaves_a_whole_release(board, one_release, traffic, deployable, tmp_path, direction):
    """Swept over the whole transfer. Whoever is told that nothing was changed finds the old release."""
    total = traffic[direction]
    points = sorted({1, *(total * k // POINTS for k in range(1, POINTS)), total - 400, total - 100, total - 1})

    def at(after):
        root = tmp_path / str(after)
        shutil.copytree(one_release, root, symlinks=True)
        return cut_deploy(board, root, deployable, direction, after)

    with ThreadPoolExecutor(4) as pool:
        results = dict(zip(points, pool.map(at, points), strict=True))
    for after, (said, current) in results.items():
        if said is None:
            # The last words of a connection are its end, which nobody waits for.
            assert current == "two", after
        elif "is current there" not in said:
            assert current == "one", (after, said)
        assert said is None or "\n" not in said
    told = [said for said, _ in results.values() if said]
    assert len(told) >= POINTS - 2
    assert {said for said in told if "the connection was lost; run the same command again" not in said} == set()


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_cut_is_told_where_each_session_has_a_connection(board, one_release, deployable, tmp_path, direction):
    """OpenSSH then says itself what happened, in words of its own for each moment."""
    alone = "ControlPath=none"
    shutil.copytree(one_release, tmp_path / "traffic", symlinks=True)
    with cut_proxy(board.port) as proxy:
        deploy(Bundle.open(deployable["two"]), target_of(board, tmp_path / "traffic", proxy.port, alone), Wish())
        total = proxy.passed[direction]
    for after in sorted({10, 1500, *(total * k // 6 for k in range(1, 6))}):
        root = tmp_path / str(after)
        shutil.copytree(one_release, root, symlinks=True)
        with cut_proxy(board.port, direction, after) as proxy, pytest.raises(DeployError, match="connection was lost"):
            deploy(Bundle.open(deployable["two"]), target_of(board, root, proxy.port, alone), Wish())
        until_idle(root)
        whole(root, deployable["one"])


def test_a_link_that_goes_dead_is_given_up(board, one_release, deployable, tmp_path):
    """Nothing is cut, nothing comes any more: the client asks twice whether anybody is there."""
    root = tmp_path / "deployed"
    shutil.copytree(one_release, root, symlinks=True)
    with cut_proxy(board.port, "up", 12_000, stall=True) as proxy:
        began = time.monotonic()
        target = target_of(board, root, proxy.port, "ServerAliveInterval=1")
        with pytest.raises(DeployError, match="was lost; run the same command again; nothing was changed there"):
            deploy(Bundle.open(deployable["two"]), target, Wish())
        assert time.monotonic() - began < 15
    until_idle(root)
    whole(root, deployable["one"])


def test_a_cut_rollback_is_one_or_the_other(board, two_releases, deployable, tmp_path):
    """Both releases stay whole, and the links lead to them."""
    with cut_proxy(board.port) as proxy:
        shutil.copytree(two_releases, tmp_path / "traffic", symlinks=True)
        roll_back(Bundle.open(deployable["two"]), target_of(board, tmp_path / "traffic", proxy.port))
        total = proxy.passed["down"]
    for after in (total // 3, total * 2 // 3, total - 300):
        root = tmp_path / str(after)
        shutil.copytree(two_releases, root, symlinks=True)
        with cut_proxy(board.port, "down", after) as proxy, pytest.raises(DeployError):
            roll_back(Bundle.open(deployable["two"]), target_of(board, root, proxy.port))
        until_idle(root)
        current = "two" if (root / "current").resolve().name == identity(deployable["two"]) else "one"
        whole(root, deployable[current])

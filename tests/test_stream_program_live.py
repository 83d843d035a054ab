"""The static stream program over what really carries samples: files, sockets, a pseudo-terminal, a service manager."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
import tty
from pathlib import Path

import pytest
from live_streams import HEADER, free_port, line, read, said, text, until
from stream_programs import built, living, program

from edge_lstm.runtimes.frames import Frame


@pytest.fixture
def path(program_bundles):
    return built(program_bundles("tag"))


@pytest.fixture
def expected(program_bundles, samples):
    """The lines of all samples."""
    return said(program_bundles("tag"), samples)


def fails(process, message):
    """It ends with one line and exit code 2."""
    assert process.wait(20) == 2
    error = process.stderr.read()
    assert error.count("\n") == 1
    assert error.startswith("edge-lstm-stream: error: ")
    assert message in error


# Pipes


def flood(process, samples):
    """Write more than pipes hold, until the process is gone."""

    def write():
        with contextlib.suppress(OSError, ValueError):
            process.stdin.write(text(samples) * 400)

    threading.Thread(target=write, daemon=True).start()


def test_each_prediction_is_out_before_the_next_sample_is_in(path, samples, expected):
    """A live stream: the answer comes while the pipe is open; many samples at once are answered at once."""
    with living(path, stdin=subprocess.PIPE) as process:
        for step, sample in enumerate(samples[:3]):
            process.stdin.write(line(sample))
            process.stdin.flush()
            assert read(process, 1) == expected[step : step + 1]
        process.stdin.write(text(samples[3:]))
        process.stdin.close()
        assert read(process, 57) == expected[3:]
        assert process.wait(20) == 0


@pytest.mark.parametrize(("end", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_quietly(path, samples, end, code):
    """The shell's code for it, waiting for samples or for a receiver that takes none."""
    with living(path, stdin=subprocess.PIPE) as process:
        process.stdin.write(text(samples[:1]))
        process.stdin.flush()
        read(process, 1)
        process.send_signal(end)
        assert (process.wait(20), process.stderr.read()) == (code, "")
    with living(path, stdin=subprocess.PIPE) as process:
        flood(process, samples)
        time.sleep(0.3)
        process.send_signal(end)
        assert process.wait(20) == code


def test_a_closed_pipe_ends_it_quietly(path, samples):
    """`edge-lstm-stream … | head -1`: the exit code is the shell's for SIGPIPE."""
    with living(path, stdin=subprocess.PIPE) as process:
        process.stdin.write(text(samples[:1]))
        process.stdin.flush()
        read(process, 1)
        process.stdout.close()
        process.stdin.write(text(samples[1:]))
        process.stdin.close()
        assert process.wait(20) == 141
        assert process.stderr.read() == ""


def test_a_full_disk_and_closed_handles_are_said(path, samples):
    """One line each, exit code 2."""
    for flag, written in ((), text(samples[:1])), (("--help",), ""):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [path, *flag], input=written, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20
            )
        assert done.returncode == 2
        assert done.stderr.startswith("edge-lstm-stream: error: No space left on device; check the path")
    for closed in ("<&-", ">&-"):
        done = subprocess.run(f"{path} {closed}", shell=True, capture_output=True, text=True, timeout=20)
        assert done.returncode == 2
        assert done.stderr.startswith("edge-lstm-stream: error: stdin or stdout is closed; ")


# Files


def test_a_growing_file_is_followed(path, samples, expected, tmp_path):
    """What is there comes at once, what is added as it is added; half a line is none yet."""
    log = tmp_path / "log.csv"
    log.write_text(HEADER + text(samples[:3]))
    with living(path, "--from", f"file:{log}") as process, log.open("a") as writer:
        assert read(process, 3) == expected[:3]
        whole = line(samples[3])
        for part in (whole[:7], whole[7:]):
            writer.write(part)
            writer.flush()
            time.sleep(0.15)  # longer than the source waits before it looks again
        assert read(process, 1) == expected[3:4]


def test_rotated_shortened_and_moved_files_are_followed(path, samples, expected, tmp_path):
    """Read to its end, then the new one from its beginning, with a header of its own."""
    log = tmp_path / "log.csv"
    log.write_text(HEADER + text(samples[:3]))
    with living(path, "--from", f"file:{log}") as process:
        assert read(process, 3) == expected[:3]
        log.rename(tmp_path / "log.1")
        with (tmp_path / "log.1").open("a") as writer:
            writer.write(text(samples[3:4]))
        time.sleep(0.15)
        log.write_text("az,ay,ax\n" + text(samples[4:6, ::-1]))
        assert read(process, 3) == expected[3:6]
        log.write_text(HEADER)
        time.sleep(0.3)
        with log.open("a") as writer:
            writer.write(text(samples[6:7]))
        assert read(process, 1) == expected[6:7]


def test_files_that_cannot_be_opened_or_written_are_said(path, samples, tmp_path):
    """Absent, a folder, full."""
    with living(path, "--from", f"file:{tmp_path}/none.csv") as process:
        fails(process, "none.csv: cannot be opened: No such file or directory; check the path")
    with living(path, "--from", f"file:{tmp_path}") as process:
        fails(process, "cannot be opened: Is a directory; check the path")
    with living(path, "--to", f"file:{tmp_path}/none/out") as process:
        fails(process, "out: cannot be opened: No such file or directory; check the path")
    said = program(path, "--to", "file:/dev/full", written=text(samples))
    assert (said.code, said.out) == (2, b"")
    assert said.err == "error: file:/dev/full: cannot be written: No space left on device; check the space there\n"


def test_predictions_are_added_to_a_file(path, samples, expected, tmp_path):
    """A second run goes on behind the first."""
    for part in (samples[:4], samples[:3]):
        program(path, "--to", f"file:{tmp_path}/out", written=text(part))
    assert (tmp_path / "out").read_text().splitlines() == expected[:4] + expected[:3]


# Sockets


@contextlib.contextmanager
def server(family=socket.AF_INET, host="127.0.0.1"):
    """A listening socket and its port."""
    with socket.create_server((host, 0), family=family) as listening:
        listening.settimeout(20)
        yield listening, listening.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tcp_from_a_server_to_a_server(path, samples, expected, host):
    """Samples from one connection, predictions on another; the sender's orderly end is the stream's."""
    with server() as (sender, source), server() as (receiver, sink):
        where = ("--from", f"tcp://{host}:{source}", "--to", f"tcp://{host}:{sink}")
        with living(path, *where) as process:
            outgoing, incoming = sender.accept()[0], receiver.accept()[0]
            with outgoing:
                outgoing.sendall(text(samples).removesuffix("\n").encode())
            with incoming, incoming.makefile() as lines:
                assert lines.read().splitlines() == expected
            assert process.wait(20) == 0


def test_tcp_senders_may_come_and_go(path, samples, expected):
    """The stream goes on over connections; IPv4 and IPv6."""
    for listen, host in (("127.0.0.1", "127.0.0.1"), ("", "127.0.0.1"), ("[::1]", "::1")):
        port = free_port()
        with living(path, "--from", f"tcp-listen://{listen}:{port}") as process:
            heard = []
            for part in (samples[:2], samples[2:5]):
                until(lambda host=host, port=port: _send(host, port, text(part).encode()))  # noqa: B023 - used at once
                heard += read(process, len(part))
            assert heard == expected[:5]
            process.terminate()
            assert process.wait(20) == 143


def _send(host, port, data):
    try:
        with socket.create_connection((host, port), 5) as connection:
            connection.sendall(data)
    except ConnectionRefusedError:
        return False
    return True


def test_links_that_fail_are_said(path, samples):
    """Nobody there, no such host, a port that is taken, a sender cut off, a receiver that left."""
    with living(path, "--from", f"tcp://127.0.0.1:{free_port()}") as process:
        fails(process, "cannot be reached: Connection refused; check host, port and network")
    with living(path, "--to", "tcp://no-such-host.invalid:9") as process:
        fails(process, "tcp://no-such-host.invalid:9: cannot be reached: ")
    with server() as (sender, port):
        with living(path, "--from", f"tcp-listen://127.0.0.1:{port}") as process:
            fails(process, "cannot listen there: Address in use; free the port or choose another")
        with living(path, "--from", f"tcp://127.0.0.1:{port}") as process:
            connection, _ = sender.accept()
            connection.sendall(text(samples[:1]).encode())
            read(process, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, no end
            connection.close()
            fails(process, "the source is gone: Connection reset by peer; check the sender and the network")
        with living(path, "--to", f"tcp://127.0.0.1:{port}", stdin=subprocess.PIPE) as process:
            sender.accept()[0].close()
            with contextlib.suppress(BrokenPipeError):
                for _ in range(50):
                    process.stdin.write(text(samples))
                    process.stdin.flush()
                    time.sleep(0.01)
            fails(process, "the receiver is gone: ")


def test_datagrams_are_lines_or_frames(path, samples, expected):
    """One line or several in each, with or without an end; an empty one is nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for binary in (False, True):
            port, rows = free_port(socket.SOCK_DGRAM), samples[:5].astype("<f4")
            flags = ["--input", "binary"] if binary else []
            with living(path, "--from", f"udp://127.0.0.1:{port}", *flags) as process:
                until(lambda port=port: f":{port:04X} " in Path("/proc/net/udp").read_text())
                for part in (rows[:1], rows[:0], rows[1:3], rows[3:5]):
                    data = part.tobytes() if binary else text(part.astype(float)).removesuffix("\n").encode()
                    sender.sendto(data, ("127.0.0.1", port))
                assert read(process, 5) == expected[:5]


# A serial port


def test_a_serial_sensor_is_read_and_its_unplugging_is_said(path, samples, expected, tmp_path):
    """The first line may be torn; a header is one; the state is kept when the cable goes, and the header with it."""
    master, slave = os.openpty()
    tty.setraw(slave)
    where = f"serial:{os.ttyname(slave)}?baud=9600"
    flags = ("--from", where, "--state", tmp_path / "s")
    with opened(path, *flags) as process:
        os.write(master, f",0.5\naz,ay,ax\n{text(samples[:4, ::-1])}".encode())
        assert read(process, 4) == expected[:4]
        with living(path, "--from", where) as second:
            fails(second, "cannot be opened: another program has it open; check the name, the cable, and who else")
        os.close(slave)
        os.close(master)
        assert process.wait(20) == 2
        counted, error = process.stderr.read().splitlines()
        assert counted == "stream: 4 samples taken; 1 torn first lines skipped"
        assert error.startswith(f"edge-lstm-stream: error: {where}: the source is gone: ")
        assert error.endswith("; plug it in and start again")
    master, slave = os.openpty()
    tty.setraw(slave)
    link = tmp_path / "sensor"
    for start, end in ((0, 2), (2, 5)):  # the same name again: columns go on as the header said
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(slave))
        with opened(path, "--from", f"serial:{link}", "--state", tmp_path / "t") as process:
            header = "" if start else "az,ay,ax\n"
            os.write(master, f"{header or 'torn' + chr(10)}{text(samples[start:end, ::-1])}".encode())
            assert read(process, end - start) == expected[start:end]
            process.terminate()
            assert process.wait(20) == 143
    os.close(slave)
    os.close(master)
    with living(path, "--from", "serial:/dev/no-such-port") as process:
        fails(process, "cannot be opened: No such file or directory; check the name, the cable")
    with living(path, "--from", "serial:/dev/null") as process:
        fails(process, "serial:/dev/null: cannot be opened: Not a tty; check the name")


def test_frames_over_a_wire_that_damages_them(path, samples, expected):
    """Opened in the middle of one, a byte lost, a bit turned, foreign frames: a damaged one costs itself alone."""
    rows = samples[:6].astype("<f4")
    packed = [Frame(k, 6, row.tobytes()).encode() for k, row in enumerate(rows)]
    wire = [packed[0][5:], packed[0], packed[1][:7] + packed[1][8:], packed[2], b"\xa5" * 3, packed[3]]
    wire += [bytes([*packed[4][:9], packed[4][9] ^ 4, *packed[4][10:]]), packed[5]]
    written, taken = b"".join(wire), text(rows[[0, 2, 3, 5]].astype(float))
    asked = program(path, "--input", "framed", written=written)
    assert asked == program(path, written=taken)
    foreign = packed[0] + Frame(9, 5, b"state").encode() + packed[1]
    assert "frame 2: is no sample: 5 of 12 bytes" in program(path, "--input", "framed", written=foreign).err
    skipping = program(path, "--input", "framed", "--malformed", "skip", written=foreign)
    assert skipping.err.startswith("stream: 2 samples taken; 1 malformed lines skipped")
    master, slave = os.openpty()
    tty.setraw(slave)
    with opened(path, "--from", f"serial:{os.ttyname(slave)}", "--input", "framed") as process:
        os.write(master, written)
        assert read(process, 4) == program(path, written=taken).out.decode().splitlines()
    os.close(slave)
    os.close(master)


@contextlib.contextmanager
def opened(path, *flags):
    """The program as a process that has said that its port is open: what came before that was flushed."""
    name = f"@edge-lstm-serial-{os.getpid()}"
    with manager(name.replace("@", "\0")) as listening, living(path, *flags, NOTIFY_SOCKET=name) as process:
        assert listening.recv(100) == b"READY=1"
        yield process


# A service manager


@contextlib.contextmanager
def manager(address):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.settimeout(20)
        yield listening


@pytest.mark.parametrize("abstract", [False, True])
def test_a_service_manager_is_told(path, samples, tmp_path, abstract):
    """Ready when everything is open, alive at half the watchdog's time while it waits or works, stopping at the end."""
    name = f"@edge-lstm-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    told = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "200000"}
    with manager(name.replace("@", "\0")) as listening, living(path, stdin=subprocess.PIPE, **told) as process:
        assert listening.recv(100) == b"READY=1"
        times = []
        for _ in range(5):
            assert listening.recv(100) == b"WATCHDOG=1"
            times.append(time.monotonic())
        assert 0.05 < (times[-1] - times[0]) / 4 < 0.2
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            process.stdin.write(text(samples[:1]))
            process.stdin.flush()
            read(process, 1)
        listening.setblocking(False)
        heard = []
        with contextlib.suppress(BlockingIOError):
            while True:
                heard.append(listening.recv(100))
        assert 2 <= len(heard) <= 12
        assert set(heard) == {b"WATCHDOG=1"}
        listening.settimeout(20)
        process.terminate()
        assert process.wait(20) == 143
        last = b""
        while last != b"STOPPING=1":
            last = listening.recv(100)


def test_a_loop_that_hangs_tells_nobody_that_it_lives(path, samples, tmp_path):
    """A receiver that takes nothing stops the watchdog's messages; so does a watchdog meant for another process."""
    name = str(tmp_path / "notify")
    told = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "100000"}
    with manager(name) as listening:
        with living(path, stdin=subprocess.PIPE, **told) as process:
            flood(process, samples)
            assert listening.recv(100) == b"READY=1"
            time.sleep(0.5)
            listening.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    listening.recv(100)
            listening.settimeout(0.5)
            with pytest.raises(TimeoutError):
                listening.recv(100)
        with living(path, stdin=subprocess.PIPE, WATCHDOG_PID="1", **told):
            listening.settimeout(20)
            assert listening.recv(100) == b"READY=1"
            listening.settimeout(0.3)
            with pytest.raises(TimeoutError):
                listening.recv(100)


def test_nobody_to_tell_is_no_fault(path, samples, tmp_path):
    """A socket that is gone, a relative name, none at all."""
    for name in (str(tmp_path / "gone"), "relative", "", "@"):
        assert program(path, written=text(samples[:1]), environment={"NOTIFY_SOCKET": name}).code == 0

"""Live input and output over what really carries it: files, sockets, pseudo-terminals, a broker, sensor files."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

import pytest
from live_streams import HEADER, broker, client, connected, fails, free_port, line, live, read, run, said, text, until

from edge_lstm.streaming.counts import Counts
from edge_lstm.streaming.feed import Feed
from edge_lstm.streaming.lines import Reading
from edge_lstm.streaming.sources.iio import IioSource

# A growing file


def test_a_growing_file_is_followed(own_bundle, samples, tmp_path):
    """What is there comes at once, what is added as it is added; half a line is none yet."""
    log, expected = tmp_path / "log.csv", said(own_bundle, samples)
    log.write_text(HEADER + text(samples[:3]))
    with live(own_bundle, "--from", f"file:{log}") as process, log.open("a") as writer:
        assert read(process, 3) == expected[:3]
        for k in range(3, 6):
            whole = line(samples[k])
            for part in (whole[:7], whole[7:]):
                writer.write(part)
                writer.flush()
                time.sleep(0.15)  # longer than the source waits before it looks again
            assert read(process, 1) == expected[k : k + 1]


def test_a_rotated_file_is_read_to_its_end_then_the_new_one(own_bundle, samples, tmp_path):
    """As logrotate does it: moved away, a new one in its place with a header of its own."""
    log, expected = tmp_path / "log.csv", said(own_bundle, samples)
    log.write_text(HEADER + text(samples[:3]))
    with live(own_bundle, "--from", f"file:{log}") as process:
        read(process, 3)
        log.rename(tmp_path / "log.1")
        with (tmp_path / "log.1").open("a") as writer:
            writer.write(text(samples[3:4]))
        time.sleep(0.15)
        log.write_text(HEADER + text(samples[4:6]))
        assert read(process, 3) == expected[3:6]


def test_a_file_that_became_shorter_is_read_anew(own_bundle, samples, tmp_path):
    """As copytruncate does it."""
    log, expected = tmp_path / "log.csv", said(own_bundle, samples)
    log.write_text(HEADER + text(samples[:5]))
    with live(own_bundle, "--from", f"file:{log}") as process:
        read(process, 5)
        log.write_text(HEADER)
        time.sleep(0.3)
        with log.open("a") as writer:
            writer.write(text(samples[5:6]))
        assert read(process, 1) == expected[5:6]


def test_a_file_is_taken_up_where_it_was_left(own_bundle, samples, tmp_path):
    """With a state no line is read twice and none is lost, whichever signal ended the process before."""
    log, state, expected = tmp_path / "log.csv", tmp_path / "s", said(own_bundle, samples)
    log.write_text("az,ay,ax\n" + text(samples[:10, ::-1]))
    heard = []
    for end in (4, 6, 20):
        with live(own_bundle, "--from", f"file:{log}", "--state", state, "--state-every", 1) as process:
            heard += read(process, end if end < 20 else 50)
            process.terminate()
            heard += process.communicate(timeout=20)[0].splitlines()
        if end == 6:
            with log.open("a") as writer:
                writer.write(text(samples[10:, ::-1]))
    assert heard == expected


def test_a_file_that_was_replaced_meanwhile_is_read_from_its_beginning(own_bundle, samples, tmp_path):
    """The place was in another file, whatever the length of this one."""
    log, expected = tmp_path / "log.csv", said(own_bundle, samples)
    log.write_text(HEADER + text(samples[:4]))
    for start, end in ((0, 4), (4, 14)):
        with live(own_bundle, "--from", f"file:{log}", "--state", tmp_path / "s") as process:
            assert read(process, end - start) == expected[start:end]
            process.terminate()
            assert process.wait(20) == 143
        log.rename(tmp_path / "log.1")
        log.write_text(HEADER + text(samples[4:14]))


def test_a_file_that_is_not_there_is_said(own_bundle, tmp_path):
    """At once."""
    with live(own_bundle, "--from", f"file:{tmp_path}/none.csv") as process:
        fails(process, "none.csv: cannot be opened: No such file or directory; check the path")


# TCP


@contextlib.contextmanager
def server():
    """A listening socket and its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)
        yield listening, listening.getsockname()[1]


def send_and_leave(sample_text, connection):
    with connection:
        connection.sendall(sample_text.encode())


def test_tcp_lines_from_a_server_to_a_server(own_bundle, samples):
    """Samples from one connection, predictions on another; the sender's orderly end is the stream's."""
    with server() as (sender, source), server() as (receiver, sink):
        where = ("--from", f"tcp://127.0.0.1:{source}", "--to", f"tcp://127.0.0.1:{sink}")
        with live(own_bundle, *where) as process:
            outgoing, _ = sender.accept()
            incoming, _ = receiver.accept()
            send_and_leave(text(samples), outgoing)
            with incoming, incoming.makefile() as lines:
                assert [each.rstrip("\n") for each in lines] == said(own_bundle, samples)
            assert (process.wait(20), process.stderr.read(), process.stdout.read()) == (0, "", "")


def test_tcp_senders_may_come_and_go(own_bundle, samples):
    """A sensor that restarts connects again, in columns of its own; the stream goes on."""
    port, expected = free_port(), said(own_bundle, samples)
    with live(own_bundle, "--from", f"tcp-listen://127.0.0.1:{port}") as process:
        send_and_leave(HEADER + text(samples[:4]), connected(port))
        assert read(process, 4) == expected[:4]
        send_and_leave("az,ay,ax\n" + text(samples[4:8, ::-1]), connected(port))
        assert read(process, 4) == expected[4:8]


def test_a_sender_that_was_cut_off_is_said(own_bundle, samples):
    """A connection that is reset is no end; what came before is out."""
    with server() as (sender, port), live(own_bundle, "--from", f"tcp://127.0.0.1:{port}") as process:
        connection, _ = sender.accept()
        connection.sendall(text(samples[:1]).encode())
        assert read(process, 1) == said(own_bundle, samples[:1])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.close()
        fails(process, "the source is gone: Connection reset by peer; check the sender and the network")


def test_nobody_at_the_other_end_is_said(own_bundle):
    """Neither a source nor a destination."""
    port = free_port()
    for flag in ("--from", "--to"):
        with live(own_bundle, flag, f"tcp://127.0.0.1:{port}") as process:
            fails(process, f"tcp://127.0.0.1:{port}: cannot be reached: Connection refused; check host, port")


def test_a_host_that_is_none_is_said(own_bundle):
    """The resolver's words."""
    with live(own_bundle, "--from", "tcp://no.such.host.invalid:9") as process:
        fails(process, "tcp://no.such.host.invalid:9: cannot be reached: ")


def test_a_port_that_is_taken_is_said(own_bundle):
    """TCP and UDP."""
    with server() as (_, port), live(own_bundle, "--from", f"tcp-listen://127.0.0.1:{port}") as process:
        fails(process, "cannot listen there: ")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with live(own_bundle, "--from", f"udp://127.0.0.1:{taken.getsockname()[1]}") as process:
            fails(process, "cannot listen there: Address already in use; free the port or choose another")


def test_a_receiver_that_leaves_is_said_and_the_state_is_saved(own_bundle, samples, tmp_path):
    """No prediction goes nowhere in silence."""
    with server() as (receiver, port):
        where = ("--to", f"tcp://127.0.0.1:{port}", "--state", tmp_path / "s")
        with live(own_bundle, *where, stdin=subprocess.PIPE) as process:
            receiver.accept()[0].close()
            for sample in samples:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write(line(sample))
                    process.stdin.flush()
                time.sleep(0.01)
            fails(process, "the receiver is gone: ")
    assert (tmp_path / "s").exists()


# UDP


def test_datagrams_are_lines(own_bundle, samples):
    """One line or several in each, with or without an end."""
    port, expected = free_port(socket.SOCK_DGRAM), said(own_bundle, samples)
    address = ("127.0.0.1", port)
    with (
        live(own_bundle, "--from", f"udp://127.0.0.1:{port}") as process,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        until(lambda: f":{port:04X} " in Path("/proc/net/udp").read_text())
        sender.sendto(line(samples[0]).encode(), address)
        sender.sendto(line(samples[1]).rstrip("\n").encode(), address)
        sender.sendto(text(samples[2:5]).encode(), address)
        assert read(process, 5) == expected[:5]
        process.terminate()
        assert process.wait(20) == 143


def test_a_header_said_once_holds_after_a_restart(own_bundle, samples, tmp_path):
    """A sensor that says its columns when it is switched on need not be switched on again with the stream."""
    port, expected = free_port(socket.SOCK_DGRAM), said(own_bundle, samples)
    asked = ("--from", f"udp://127.0.0.1:{port}", "--state", tmp_path / "s")
    for start, head in ((0, "az,ay,ax\n"), (3, "")):
        with (
            live(own_bundle, *asked) as process,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        ):
            until(lambda: f":{port:04X} " in Path("/proc/net/udp").read_text())
            sender.sendto((head + text(samples[start : start + 3, ::-1])).encode(), ("127.0.0.1", port))
            assert read(process, 3) == expected[start : start + 3]
            process.terminate()
            assert process.wait(20) == 143


# MQTT


def test_messages_in_and_messages_out(own_bundle, samples, tmp_path):
    """Samples from one topic of a broker, predictions to another: every one, in order."""
    with broker(tmp_path, "allow_anonymous true") as (_, port), client(port) as (other, heard):
        ready = []
        other.on_subscribe = lambda *_: ready.append(True)
        other.subscribe("out/tag", 1)
        until(lambda: ready)
        where = ("--from", f"mqtt://127.0.0.1:{port}/in/+", "--to", f"mqtt://127.0.0.1:{port}/out/tag")
        with live(own_bundle, *where) as process:
            # Retained, the first message waits for the subscriber.
            other.publish("in/a", line(samples[0]), 1, retain=True)
            until(lambda: heard)
            for sample in samples[1:20]:
                other.publish("in/a", line(sample).rstrip("\n"), 1)
            other.publish("in/b", text(samples[20:40]), 1)
            until(lambda: len(heard) == 40)
            assert heard == [("out/tag", each) for each in said(own_bundle, samples[:40])]
            process.terminate()
            assert (process.wait(20), process.stderr.read()) == (143, "")


def test_a_broker_that_leaves_is_said(own_bundle, tmp_path):
    """A service manager starts the stream again; it does not wait for ever in silence."""
    with (
        broker(tmp_path, "allow_anonymous true") as (mosquitto, port),
        live(own_bundle, "--from", f"mqtt://127.0.0.1:{port}/in") as process,
    ):
        until(lambda: _connections(port))
        mosquitto.terminate()
        fails(process, f"mqtt://127.0.0.1:{port}/in: the broker is gone: the connection was lost")


def _connections(port):
    """Established connections to a port."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"]


def test_a_broker_that_refuses_the_user_is_said_without_the_password(own_bundle, tmp_path):
    """Secrets stay out of messages."""
    with broker(tmp_path, "allow_anonymous false") as (_, port):
        for flag in ("--from", "--to"):
            with live(own_bundle, flag, f"mqtt://ann:secret@127.0.0.1:{port}/in") as process:
                fails(process, f"mqtt://ann:…@127.0.0.1:{port}/in: the broker refuses: Not authorized; check user")


def test_no_broker_is_said(own_bundle):
    """One line."""
    with live(own_bundle, "--from", f"mqtt://127.0.0.1:{free_port()}/in") as process:
        fails(process, "cannot be reached: Connection refused; check host, port and network")


# Serial


@contextlib.contextmanager
def terminal():
    """The sensor's end of a pseudo-terminal, and the name of the other."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    name = os.ttyname(theirs)
    try:
        yield ours, name, theirs
    finally:
        for number in (ours, theirs):
            with contextlib.suppress(OSError):
                os.close(number)


def opened_by(process, name):
    """Whether a process holds a device open."""

    def held():
        with contextlib.suppress(FileNotFoundError):
            return any(str(each.readlink()) == name for each in Path(f"/proc/{process.pid}/fd").iterdir())
        return False

    return held


def test_a_serial_line_that_was_torn_is_passed_over(own_bundle, samples):
    """A port opened while a sensor talks begins in the middle of a line, which may look like a sample; it is said."""
    with terminal() as (ours, name, _), live(own_bundle, "--from", f"serial:{name}?baud=9600") as process:
        until(opened_by(process, name))
        time.sleep(0.2)  # pyserial empties the port when it has opened it
        os.write(ours, (line(samples[9]) + text(samples[:5])).encode())
        assert read(process, 5) == said(own_bundle, samples[:5])
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read() == "stream: 5 samples taken; 1 torn first lines skipped\n"


def test_a_serial_header_is_a_header(own_bundle, samples):
    """A board that restarts when its port is opened says it first."""
    with terminal() as (ours, name, _), live(own_bundle, "--from", f"serial:{name}") as process:
        until(opened_by(process, name))
        time.sleep(0.2)
        os.write(ours, ("az,ay,ax\r\n" + text(samples[:3, ::-1])).encode())
        assert read(process, 3) == said(own_bundle, samples[:3])
        process.terminate()
        assert (process.wait(20), process.stderr.read()) == (143, "")


def test_a_serial_sensor_that_is_unplugged_is_said_and_the_state_is_saved(own_bundle, samples, tmp_path):
    """Its terminal hangs up."""
    state = tmp_path / "s"
    with (
        terminal() as (ours, name, theirs),
        live(own_bundle, "--from", f"serial:{name}", "--state", state) as process,
    ):
        until(opened_by(process, name))
        time.sleep(0.2)
        os.write(ours, (HEADER + text(samples[:2])).encode())
        read(process, 2)
        os.close(theirs)
        os.close(ours)
        fails(process, f"serial:{name}: the source is gone: ")
    assert run(text(samples[2:4]), own_bundle, "--state", state).stdout.splitlines() == said(own_bundle, samples)[2:4]


def test_a_serial_port_that_is_busy_or_absent_is_said(own_bundle):
    """Who has it open is not asked to share it."""
    with terminal() as (_, name, _other), live(own_bundle, "--from", f"serial:{name}") as first:
        until(opened_by(first, name))
        time.sleep(0.2)
        with live(own_bundle, "--from", f"serial:{name}") as second:
            fails(second, f"serial:{name}: cannot be opened: ")
    with live(own_bundle, "--from", "serial:/dev/ttyNONE9") as process:
        fails(process, "serial:/dev/ttyNONE9: cannot be opened: ")


# Linux sensors


def test_a_linux_sensor_is_read_at_its_rate(own_bundle, samples, tmp_path):
    """Raw, offset and scale make physical values; fifty readings a second are a fiftieth of a second apart."""
    (tmp_path / "in_ax_raw").write_text("120\n")
    (tmp_path / "in_ax_offset").write_text("-100\n")
    (tmp_path / "in_ax_scale").write_text("0.05\n")
    (tmp_path / "in_ay_input").write_text("-21.5\n")
    (tmp_path / "az").write_text("290\n")
    with live(own_bundle, "--from", f"iio:{tmp_path}?rate=50") as process:
        expected = said(own_bundle, [[(120 - 100) * 0.05, -21.5, 290.0]] * 26)
        assert read(process, 1) == expected[:1]
        began = time.monotonic()
        assert read(process, 25) == expected[1:]
        assert time.monotonic() - began > 0.4  # 25 periods are 0.5 s; the first line may have waited in the pipe


def test_a_scale_may_be_of_the_kind(tmp_path):
    """in_accel_scale serves accel_x, accel_y and accel_z."""
    (tmp_path / "in_accel_x_raw").write_text("3\n")
    (tmp_path / "in_accel_scale").write_text("0.5\n")
    source = IioSource("iio:", str(tmp_path), ["accel_x"], Counts(), 1000.0)
    assert next(source.lines()) == "1.5\n"


def test_readings_that_came_too_late_are_counted(tmp_path):
    """A hundred a second, and half a second in which nobody asked: the next are on time again, the others said."""
    (tmp_path / "a").write_text("1\n")
    counts = Counts()
    lines = IioSource("iio:", str(tmp_path), ["a"], counts, 100.0).lines()
    next(lines)
    time.sleep(0.5)
    next(lines)
    assert 45 <= counts.late < 200  # of 49; more if this computer was busy
    assert next(lines) == "1.0\n"


def test_a_sensor_that_is_gone_or_lacks_a_channel_is_said(own_bundle, tmp_path):
    """The file that failed is named."""
    for name in ("ax", "ay"):
        (tmp_path / name).write_text("1\n")
    with live(own_bundle, "--from", f"iio:{tmp_path}") as process:
        fails(process, "has no file in_az_raw, in_az_input or az; check it")
    (tmp_path / "ay").write_text("-20\n")
    (tmp_path / "az").write_text("300\n")
    with live(own_bundle, "--from", f"iio:{tmp_path}") as process:
        read(process, 1)
        (tmp_path / "ay").unlink()
        fails(process, "the source is gone: ay: No such file or directory; check the sensor")


# Files out, and the queue


def test_predictions_are_added_to_a_file(own_bundle, samples, tmp_path):
    """Two runs of one stream: one file."""
    asked = ("--to", f"file:{tmp_path}/out", "--state", tmp_path / "s")
    for part in (samples[:5], samples[5:]):
        assert run(text(part), own_bundle, *asked).output == ""
    assert (tmp_path / "out").read_text().splitlines() == said(own_bundle, samples)


def test_a_file_that_cannot_be_written_is_said(own_bundle, samples):
    """A folder that is not there, and a full disk."""
    absent = run(text(samples[:1]), own_bundle, "--to", "file:/no/such/folder/out")
    full = run(text(samples[:1]), own_bundle, "--to", "file:/dev/full")
    assert (absent.exit_code, full.exit_code) == (2, 2)
    assert "file:/no/such/folder/out: cannot be opened: No such file or directory" in absent.stderr
    assert "file:/dev/full: cannot be written: No space left on device; check the space there" in full.stderr


def test_a_pipe_may_drop_the_oldest_too(own_bundle, samples):
    """Nobody reads the predictions, so the model waits and the queue overflows; taken and dropped make all there was,
    and the newest samples are among those taken."""
    many = 5_000
    with live(own_bundle, "--when-full", "drop-oldest", "--queue", 8, "--json", stdin=subprocess.PIPE) as process:
        process.stdin.write(line(samples[0]) * many)
        process.stdin.close()  # all was read: the pipe itself holds no tenth of it
        time.sleep(0.3)
        spoken = sum(1 for _ in process.stdout)
        counts = json.loads(process.stderr.read())["counts"]
        assert process.wait(20) == 0
    assert (counts["samples"], counts["dropped"]) == (spoken, many - spoken)
    assert 8 <= spoken < many / 2


def test_ctrl_c_ends_a_queued_pipe_quietly(own_bundle, samples):
    """Its thread still reads then."""
    asked = ("--when-full", "drop-oldest")
    with live(own_bundle, *asked, stdin=subprocess.PIPE) as process:
        process.stdin.write(text(samples[:1]))
        process.stdin.flush()
        read(process, 1)
        process.send_signal(signal.SIGINT)
        assert (process.wait(20), process.stderr.read()) == (130, "")


def test_a_stopped_reader_stops_a_blocking_stream(own_bundle, samples):
    """`block`: a receiver that does not read makes the sender wait; nothing is dropped when it reads again."""
    with server() as (sender, port), live(own_bundle, "--from", f"tcp://127.0.0.1:{port}", "--json") as process:
        connection, _ = sender.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
        many = 1_000  # of a kilobyte and a column of no channel: more than all the buffers in between
        sent = "ax,ay,az,note\n" + (line(samples[0]).rstrip("\n") + "," + 1000 * "x" + "\n") * many
        thread = threading.Thread(target=send_and_leave, args=(sent, connection))
        thread.start()
        time.sleep(0.5)
        assert thread.is_alive()
        steps = sum(1 for _ in process.stdout)
        assert (steps, process.wait(60), process.stderr.read()) == (many, 0, "")


@pytest.mark.parametrize("size", [1, 5])
def test_the_queue_keeps_the_newest(size):
    """Ten samples while nobody takes any: the last ones are left, in order, the others counted."""
    counts = Counts()
    feed = Feed(iter([Reading([float(k)], k) for k in range(10)]), size, counts)
    feed.join(20)
    assert [reading.line for reading in feed] == list(range(10))[-size:]
    assert counts.dropped == 10 - size


@pytest.mark.parametrize(
    ("package", "url", "extra"), [("paho", "mqtt://h/t", "mqtt"), ("serial", "serial:x", "boards")]
)
def test_a_package_that_is_missing_is_named(own_bundle, package, url, extra):
    """The next move, and exit code 3."""
    script = f"import sys; sys.modules[{package!r}] = None; from edge_lstm.cli import main; main()"
    command = [sys.executable, "-c", script, "stream", str(own_bundle), "--backend", "reference", "--from", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert f"pip install 'edge-lstm[{extra}]'" in done.stderr
    assert done.stderr.count("\n") == 1

"""Where reports go: files, terminals, a real broker, HTTP; and what happens when one of them is gone."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from live_streams import COMMAND, HEADER, free_port, line, live, read, run, said, text, until
from prometheus_client.parser import text_string_to_metric_families
from stream_bundles import CHANNELS, SCALING, write_small_bundle
from test_live_sources import broker, client
from test_monitor import noise, with_drift

from edge_lstm.bundle import Bundle
from edge_lstm.monitor import Monitor, Reporter
from edge_lstm.monitor.prometheus import exposition
from edge_lstm.streaming import Stream
from edge_lstm.streaming.saving import Pace


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tag bundle with the drift table of 3,000 steps of noise."""
    return with_drift(write_small_bundle(tmp_path_factory.mktemp("views"), "tag"), noise(3000, seed=4))


@pytest.fixture
def small(samples):
    """(60, 3) samples as a stream takes them."""
    return HEADER + text(samples)


def families(exposed: str) -> dict:
    """Name → metric, read by the Prometheus project's own parser."""
    return {family.name: family for family in text_string_to_metric_families(exposed)}


def values(family) -> dict:
    """Labels besides the stream's → value."""
    return {
        tuple(v for k, v in sample.labels.items() if k != "stream"): sample.value
        for sample in family.samples
        if not sample.name.endswith(("_sum", "_count"))
    }


def objects(said_lines: str) -> list[dict]:
    return [json.loads(each) for each in said_lines.splitlines() if each.startswith("{")]


# JSON lines


def test_json_lines_come_by_steps_with_a_final_one(folder, small, samples, tmp_path):
    """One object a report in a file, the predictions untouched; a second run adds to the file."""
    log = tmp_path / "log.jsonl"
    for _ in range(2):
        done = run(small, folder, "--monitor", f"jsonl:{log}", "--monitor-every", "25")
        assert (done.exit_code, done.stderr) == (0, "")
        assert done.stdout.splitlines() == said(folder, samples)
    reports = objects(log.read_text())
    assert [(r["steps"], r["final"]) for r in reports] == 2 * [(25, False), (50, False), (60, True)]
    assert reports[-1]["counts"]["samples"] == 60
    assert list(reports[-1]["drift"]) == list(CHANNELS)


def test_reports_on_stderr_leave_stdout_to_predictions(folder, small, samples):
    """``-`` is JSON lines on stderr."""
    done = run(small, folder, "--monitor", "-", "--deadline", "0.000001")
    assert done.stdout.splitlines() == said(folder, samples)
    (report,) = objects(done.stderr)
    assert report["final"]
    assert report["latency"]["missed"] == report["latency"]["longest_missed_run"] == 60


def test_reports_come_in_time_while_no_sample_does(folder, samples):
    """Every 0.2 s, though the sensor is silent: a silent sensor is what a monitor is for."""
    with live(folder, "--monitor", "-", "--monitor-every", "0.2s", stdin=subprocess.PIPE) as process:
        process.stdin.write(HEADER + line(samples[0]))
        process.stdin.flush()
        reports = [json.loads(process.stderr.readline()) for _ in range(6)]
        assert read(process, 1) == said(folder, samples[:1])
    ticks = np.diff([report["uptime_s"] for report in reports])
    assert 0.1 < ticks.mean() < 2  # the last one may be late on a busy computer, never early by half
    assert reports[-1]["steps"] == 1
    assert reports[-1]["recent"]["count"] == 0


def test_the_queue_of_a_sensor_is_in_the_latency(folder, samples):
    """Samples that come at once by UDP wait for those before them, and what is dropped is told."""
    port = free_port(socket.SOCK_DGRAM)
    flags = ("--from", f"udp://127.0.0.1:{port}", "--queue", "8", "--monitor", "-", "--monitor-every", "0.2s")
    with live(folder, *flags) as process, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        until(lambda: f":{port:04X} " in Path("/proc/net/udp").read_text())
        for _ in range(10):
            sender.sendto(text(samples).encode(), ("127.0.0.1", port))
        report: dict = {}
        until(lambda: report.update(json.loads(process.stderr.readline())) or _all_there(report, 600))
    assert report["counts"]["dropped"] > 0
    assert report["latency"]["max_us"] > report["latency"]["p50_us"] > 0


def _all_there(report: dict, count: int) -> bool:
    return report["steps"] + report["counts"]["dropped"] == count


def test_a_drifted_channel_is_named(folder):
    """From the command line: one channel in another unit, the others as calibrated."""
    samples = noise(3000, seed=8)
    samples[:, 1] = samples[:, 1] * 9 / 5 + 32
    done = run(HEADER + text(samples), folder, "--monitor", "-", "--monitor", "term")
    (report,) = objects(done.stderr)
    assert {name: row["verdict"] for name, row in report["drift"].items()} == {
        "ax": "steady",
        "ay": "changed",
        "az": "steady",
    }
    assert "drift: ay changed (PSI" in done.stderr


# Terminals


def test_where_nobody_looks_a_report_is_a_line(folder, small):
    """stderr is no terminal: steps, latencies, and that nothing drifted or who did."""
    done = run(small, folder, "--monitor", "term", "--monitor-every", "30", "--deadline", "60000")
    first, second, last = done.stderr.splitlines()
    assert first.startswith("monitor: 30 steps, latency p50 ")
    assert second.startswith("monitor: 60 steps, ")
    assert re.search(r", 0 deadlines of 60000 ms missed, .*drift: \d of 3 channels not judged yet$", last)


def in_a_terminal(bundle, written, *python) -> str:
    """What a terminal of 80 columns shows of a watched stream; ``python`` begins the command."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    command = [*(python or COMMAND), str(bundle), "--backend", "reference", "--monitor", "term"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=secondary, text=True, env=environment
    )
    os.close(secondary)
    shown = bytearray()

    def watch() -> None:
        while select.select([primary], [], [], 20)[0]:
            try:
                shown.extend(os.read(primary, 65536))
            except OSError:  # how a terminal ends
                return

    watching = threading.Thread(target=watch)
    watching.start()
    predictions, _ = process.communicate(written, timeout=60)
    watching.join()
    os.close(primary)
    assert predictions.count("\n") == written.count("\n") - 1
    assert process.returncode == 0
    return shown.decode()


def test_a_terminal_shows_a_table_in_80_columns(folder):
    """Latency, deadline, counts, saturation, and of each channel its verdict and both histograms, the worst first."""
    samples = noise(2500, seed=8)
    samples[:, 2] += 2 * SCALING.scale[2]
    shown = in_a_terminal(folder, HEADER + text(samples))
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", each).rstrip() for each in shown.splitlines()]
    last = lines[max(k for k, each in enumerate(lines) if "2500 steps" in each) :]
    words = [each.split()[0] for each in last if each]
    assert words[1:4] == ["latency", "recent", "deadline"]
    assert words[words.index("channel") :] == ["channel", "az", "ax", "ay"]
    (az,) = (each for each in last if each.startswith("az"))
    assert az.split()[1] == "changed"
    assert "█" in az
    assert max(map(len, last)) <= 80


def test_without_rich_a_terminal_gets_lines(folder, small):
    """It is an extra; its absence stops nothing."""
    without = "import sys; sys.modules['rich'] = sys.modules['rich.console'] = None; "
    shown = in_a_terminal(folder, small, sys.executable, "-c", without + COMMAND[2], COMMAND[3])
    assert shown.startswith("monitor: 60 steps, latency p50 ")


# Prometheus


def test_the_text_is_what_prometheus_reads(folder, tmp_path):
    """By its own parser: kinds, help, counters that end in _total, a histogram whose buckets rise to the count."""
    file, samples = tmp_path / "metrics" / "edge.prom", noise(3000, seed=8)
    samples[:5, 1] += 1e6
    assert run(HEADER + text(samples), folder, "--monitor", f"prometheus:{file}").exit_code == 0
    content = file.read_text()
    found = families(content)
    assert all(family.documentation and family.type in ("counter", "gauge", "histogram") for family in found.values())
    counters = re.findall(r"^# TYPE (\S+) counter$", content, re.MULTILINE)
    assert len(counters) >= 4
    assert all(name.endswith("_total") for name in counters)
    assert found["edge_lstm_steps"].samples[0].value == 3000
    assert found["edge_lstm_steps"].samples[0].labels == {"stream": "tag"}
    latency = found["edge_lstm_latency_seconds"].samples
    buckets = [(float(s.labels["le"]), s.value) for s in latency if s.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == (float("inf"), 3000)
    assert next(s.value for s in latency if s.name.endswith("_sum")) > 0
    assert values(found["edge_lstm_clamped_inputs"])["ay",] >= 5
    assert values(found["edge_lstm_events"])["clamped",] == sum(values(found["edge_lstm_clamped_inputs"]).values())
    assert values(found["edge_lstm_drift_verdict"])["az", "steady"] == 1
    assert sum(values(found["edge_lstm_drift_verdict"]).values()) == 3


def test_any_name_is_a_label(own_bundle, samples):
    """Quotes, backslashes and line ends in a bundle's name are what the parser reads back."""
    name = 'a "b"\\c\nd'
    file = own_bundle / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"name": name}))
    bundle = Bundle.open(own_bundle)
    monitor = Monitor(Stream(bundle, "reference"), bundle)
    monitor.push(samples[0])
    assert families(exposition(monitor.report()))["edge_lstm_steps"].samples[0].labels == {"stream": name}


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return not probe.connect_ex(("127.0.0.1", port))


def scrape(port: int, path: str = "/metrics"):
    return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20)


def test_metrics_are_scraped_while_the_stream_runs(folder, samples):
    """Over HTTP, as of now and not of the last interval; other paths are not found; the port is free afterwards."""
    port = free_port()
    with live(folder, "--monitor", f"prometheus://127.0.0.1:{port}", stdin=subprocess.PIPE) as process:
        process.stdin.write(HEADER + text(samples[:40]))
        process.stdin.flush()
        read(process, 40)
        for count in (40, 41):
            until(lambda count=count: listens(port) and _steps(port) == count)
            process.stdin.write(line(samples[count]))
            process.stdin.flush()
        answer = scrape(port)
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            scrape(port, "/")
        process.stdin.close()
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
    with socket.create_server(("127.0.0.1", port)):
        pass


def _steps(port: int) -> float:
    return families(scrape(port).read().decode())["edge_lstm_steps"].samples[0].value


def test_a_client_that_hangs_up_or_is_silent_stops_nothing(folder, samples):
    """Neither the predictions nor the next scrape nor the end."""
    port = free_port()
    with live(folder, "--monitor", f"prometheus://127.0.0.1:{port}", stdin=subprocess.PIPE) as process:
        until(lambda: listens(port))
        silent = socket.create_connection(("127.0.0.1", port))
        with socket.create_connection(("127.0.0.1", port)) as rude:
            rude.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert _steps(port) == 0
        out, err = process.communicate(HEADER + text(samples), timeout=20)
        assert (out.splitlines(), err) == (said(folder, samples), "")
        silent.close()


# MQTT


def test_reports_are_published(folder, samples, tmp_path):
    """The same objects, beside predictions on another topic."""
    with broker(tmp_path, "allow_anonymous true") as (_, port), client(port) as (other, heard):
        ready: list[bool] = []
        other.on_subscribe = lambda *_: ready.append(True)
        other.subscribe("health", 1)
        until(lambda: ready)
        address = f"mqtt://127.0.0.1:{port}/health"
        with live(folder, "--monitor", address, "--monitor-every", 40, stdin=subprocess.PIPE) as process:
            assert process.communicate(HEADER + text(samples), timeout=20)[1] == ""
            assert process.returncode == 0
        until(lambda: len(heard) == 2)
    assert [json.loads(payload)["steps"] for _, payload in heard] == [40, 60]


def test_a_broker_that_leaves_is_said_once_and_predictions_go_on(folder, samples, tmp_path):
    """And counted in the reports that do get out."""
    log = tmp_path / "log.jsonl"
    with broker(tmp_path, "allow_anonymous true") as (mosquitto, port):
        address = f"mqtt://ann:secret@127.0.0.1:{port}/health"
        flags = ("--monitor", address, "--monitor", f"jsonl:{log}", "--monitor-every", "0.1s")
        with live(folder, *flags, stdin=subprocess.PIPE) as process:
            process.stdin.write(HEADER + text(samples[:10]))
            process.stdin.flush()
            assert read(process, 10) == said(folder, samples)[:10]
            mosquitto.terminate()
            mosquitto.wait(20)
            public = f"mqtt://ann:…@127.0.0.1:{port}/health"
            until(lambda: (objects(log.read_text()) or [{"failures": {}}])[-1]["failures"].get(public, 0) >= 3)
            out, err = process.communicate(text(samples[10:]), timeout=40)
    assert out.splitlines() == said(folder, samples)[10:]
    assert err.count("\n") == 1
    assert err.startswith(f"monitor: {public}: the broker is gone")
    assert err.endswith("; predictions go on\n")


# What goes wrong


def test_a_full_disk_is_said_once_and_predictions_go_on(folder, small, samples):
    """The device that is always full; the reports that do get out say how often."""
    done = run(small, folder, "--monitor", "jsonl:/dev/full", "--monitor", "-", "--monitor-every", "10")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == said(folder, samples)
    complaints = [each for each in done.stderr.splitlines() if not each.startswith("{")]
    assert complaints == [
        "monitor: jsonl:/dev/full: cannot be written: No space left on device; check the space there; predictions go on"
    ]
    counted = [report["failures"].get("jsonl:/dev/full", 0) for report in objects(done.stderr)]
    assert counted == sorted(counted)
    assert 1 <= counted[-1] <= 6


def test_every_report_that_did_not_get_out_is_counted(folder, samples):
    """Six by steps and the final one."""
    bundle = Bundle.open(folder)
    monitor, complaints = Monitor(Stream(bundle, "reference"), bundle), []
    reporter = Reporter(monitor, ["jsonl:/dev/full"], Pace(10, None), complaints.append)
    for sample in samples:
        monitor.push(sample)
    reporter.close()
    assert monitor.failures == {"jsonl:/dev/full": 7}
    assert len(complaints) == 1


def test_a_bundle_without_histograms_is_said_once(own_bundle, small):
    """Everything else is watched."""
    done = run(small, own_bundle, "--monitor", "-", "--monitor-every", "20")
    assert [each for each in done.stderr.splitlines() if not each.startswith("{")] == [
        "monitor: the bundle has no histograms of its training data, so drift is not watched; export it again"
    ]
    assert {report["drift"] for report in objects(done.stderr)} == {None}


def test_a_view_slower_than_reports_costs_reports_and_no_prediction(folder, samples):
    """What it has no time for is left out, counted and said once; the final report comes all the same."""
    bundle = Bundle.open(folder)
    monitor, complaints = Monitor(Stream(bundle, "reference"), bundle), []
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    reporter = Reporter(monitor, [f"jsonl:/dev/fd/{writer}"], Pace(1, None), complaints.append)
    for sample in np.tile(samples, (4, 1)):
        monitor.push(sample)  # nobody reads the pipe, so the view hangs in its third report
    address = f"jsonl:/dev/fd/{writer}"
    assert complaints == [f"{address}: takes reports too slowly; give --monitor-every more; predictions go on"]
    assert monitor.failures[address] > 100
    os.close(writer)
    chunks: list[bytes] = []
    draining = threading.Thread(target=lambda: chunks.extend(iter(lambda: os.read(reader, 65536), b"")))
    draining.start()
    reporter.close()
    draining.join(20)
    os.close(reader)
    last = objects(b"".join(chunks).decode())[-1]
    assert (last["steps"], last["final"]) == (240, True)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--monitor", "term", "--monitor", "term"], "--monitor term is given twice; leave one out"),
        (["--monitor", "smoke:x"], "'smoke' is no kind of address; choose from -, term:, jsonl:, mqtt:"),
        (["--monitor", "jsonl:"], "'jsonl:': the file is missing; write jsonl:FILE"),
        (["--monitor", "prometheus:"], "'prometheus:': the file is missing; write prometheus:FILE or"),
        (["--monitor", "prometheus://host"], "host or port is missing; write prometheus://HOST:PORT"),
        (["--monitor", "prometheus://:70000"], "give a port from 1 to 65535"),
        (["--monitor", "jsonl:/none/log"], "jsonl:/none/log: cannot be opened: No such file or directory; check"),
        (["--monitor", "prometheus:/proc/none/x"], "/proc/none/x: cannot be written: No such file or directory"),
        (["--monitor", "mqtt://127.0.0.1:1/x"], "cannot be reached: Connection refused; check host, port and network"),
        (["--monitor", "mqtt://127.0.0.1"], "the topic is missing"),
        (["--monitor", "-", "--monitor-every", "often"], "monitor-every 'often' is not known; give '1000' (steps) or"),
        (["--monitor", "-", "--deadline", "-1"], "deadline is -1 ms; give a positive number"),
        (["--deadline", "5"], "--deadline is watched by a monitor; add --monitor, such as --monitor term"),
    ],
)
def test_what_cannot_be_watched_is_refused_at_the_start(folder, small, flags, message):
    """One line, exit code 2, before the first prediction."""
    done = run(small, folder, *flags)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_busy_port_is_refused(folder, small):
    """The other monitors that were open already are closed."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"prometheus://127.0.0.1:{busy.getsockname()[1]}"
        done = run(small, folder, "--monitor", f"prometheus://127.0.0.1:{free_port()}", "--monitor", address)
    assert done.exit_code == 2
    assert f"{address}: cannot listen there: Address already in use; choose another port or host" in done.stderr


def test_a_stream_that_is_stopped_says_its_final_report(folder, samples):
    """SIGTERM, as a service manager sends it."""
    with live(folder, "--monitor", "-", stdin=subprocess.PIPE) as process:
        process.stdin.write(HEADER + text(samples[:20]))
        process.stdin.flush()
        read(process, 20)
        time.sleep(0.1)  # until it waits for the next sample
        process.terminate()
        assert process.wait(20) == 143
        (report,) = objects(process.stderr.read())
    assert (report["steps"], report["final"]) == (20, True)

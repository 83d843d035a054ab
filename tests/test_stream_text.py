"""Lines in, lines out: what the command line reads and prints for a stream."""

from __future__ import annotations

import math

import pytest

from edge_lstm.errors import InputError
from edge_lstm.model import Interface, Scaling, Task
from edge_lstm.streaming.lines import samples
from edge_lstm.streaming.prediction import Told, prediction, softmax

CHANNELS = ("ax", "ay")

READABLE = {
    "comma": ["1,2\n", "3,4\n"],
    "semicolon": ["1;2\n", "3;4\n"],
    "tab": ["1\t2\n", "3\t4\n"],
    "bar": ["1|2\n", "3|4\n"],
    "blanks": ["1   2\n", "  3 4\n"],
    "padded": ["1 , 2\n", " 3,4 \n"],
    "header": ["ax,ay\n", "1,2\n", "3,4\n"],
    "quoted header": ['"ax","ay"\n', "1,2\n", "3,4\n"],
    "header in another order": ["ay,ax\n", "2,1\n", "4,3\n"],
    "timestamp": ["timestamp,ax,ay\n", "0,1,2\n", "20,3,4\n"],
    "columns of no channel": ["label;ay;ax\n", "walk;2;1\n", "walk;4;3\n"],
    "blank lines": ["\n", "1,2\n", "  \n", "3,4\n"],
    "carriage returns": ["ax,ay\r\n", "1,2\r\n", "3,4\r\n"],
    "byte order mark": ["\ufeffax,ay\n", "1,2\n", "3,4\n"],
    "no newline at the end": ["1,2\n", "3,4"],
    "exponents": ["1e0,2.0\n", "+3,4E+0\n"],
}


@pytest.mark.parametrize("case", READABLE)
def test_samples_are_read_from(case):
    """Whatever separates and heads the columns, the same two samples come out."""
    assert list(samples(READABLE[case], CHANNELS)) == [[1.0, 2.0], [3.0, 4.0]]


AWKWARD = {
    "separators inside quotes": ['"acc, x",time,"a;b"\n', "1,0,2\n", '"3",0,"4"\n'],
    "separators without quotes": ["a;b|acc, x\n", "2|1\n", "4|3\n"],
}


@pytest.mark.parametrize("case", AWKWARD)
def test_a_channel_name_may_hold_separators(case):
    """The header that the recordings were read by is read the same way here."""
    assert list(samples(AWKWARD[case], ("acc, x", "a;b"))) == [[1.0, 2.0], [3.0, 4.0]]


UNREADABLE = {
    "missing channel": (["ax,az\n"], "line 1: the header has no channel 'ay', only ax, az; add it"),
    "channel twice": (["ax,ay,ax\n"], "line 1: the header names channel 'ax' twice"),
    "too few": (["1,2\n", "3\n", "4,5\n"], r"line 2 \(step 1\): 1 values where 2 are expected"),
    "too many": (["1,2\n", "3,4,5\n"], r"line 2 \(step 1\): 3 values where 2 are expected"),
    "text": (["1,2\n", "3,x\n"], r"line 2 \(step 1\), channel ay: 'x' is not a number"),
    "text in the first line": (["1,x\n"], r"line 1 \(step 0\), channel ay: 'x' is not a number"),
    "empty field": (["1,2\n", "3,\n"], r"line 2 \(step 1\), channel ay: nothing is not a number"),
    "digits with a line": (["1,2\n", "1_0,2\n"], r"line 2 \(step 1\), channel ax: '1_0' is not a number"),
    "decimal comma": (["1,5;2,5\n"], r"line 1 \(step 0\), channel ax: '1,5' is not a number"),
    "cut short": (["ax,ay\n", "1,2\n", "3"], r"line 3 \(step 1\): the last line is cut short: 1 of 2 values"),
    "another separator later": (["1,2\n", "3;4\n"], r"line 2 \(step 1\): 1 values where 2 are expected"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_refused_by_line_and_step(case):
    """One line says which line, step and channel is at fault."""
    lines, message = UNREADABLE[case]
    with pytest.raises(InputError, match=message):
        list(samples(lines, CHANNELS))


def test_samples_before_a_bad_line_come_out_first():
    """A live stream is read as it comes: a fault does not take back what was there before."""
    reader = samples(iter(["1,2\n", "x,y\n"]), CHANNELS)
    assert next(reader) == [1.0, 2.0]
    with pytest.raises(InputError):
        next(reader)


def _interface(task, target=None):
    scaling = target or Scaling.identity(len(task.outputs))
    return Interface(CHANNELS, Scaling.identity(2), task, scaling, rate_hz=100.0)


def test_a_label_is_printed_with_its_probability():
    """classify and tag: label, probability, all probabilities, step and time."""
    made = prediction(_interface(Task("tag", ("rest", "walk"))), [0.0, math.log(3)], 7)
    assert made.to_json() == {
        "step": 7,
        "time": 0.07,
        "label": "walk",
        "probability": 0.75,
        "probabilities": {"rest": 0.25, "walk": 0.75},
    }
    assert made.to_text() == "step 7  0.070 s  walk 75.0 %"


def test_numbers_are_printed_in_physical_units():
    """regress: values by name, scaled back."""
    made = prediction(_interface(Task("regress", ("force",)), Scaling([100.0], [20.0])), [0.5], 0)
    assert made.to_json() == {"step": 0, "time": 0.0, "values": {"force": 110.0}}
    assert made.to_text() == "step 0  0.000 s  force 110"


def test_a_forecast_is_printed_with_the_step_it_is_about():
    """forecast: the step of the sample and the step foretold."""
    task = Task("forecast", ("ay",), horizon=5, target_channels=(1,))
    made = prediction(_interface(task), [2.0], 10)
    assert made.to_json() == {"step": 10, "time": 0.1, "values": {"ay": 2.0}, "for_step": 15}
    assert made.to_text() == "step 10  0.100 s  for step 15  ay 2"


def test_an_anomaly_is_printed_loud():
    """anomaly: score and verdict; before the first score there is neither."""
    made = Told(3, values={"t": 1.0}, for_step=4, score=1.25, anomaly=True)
    assert made.to_json() == {"step": 3, "values": {"t": 1.0}, "for_step": 4, "score": 1.25, "anomaly": True}
    assert made.to_text() == "step 3  for step 4  t 1  score 1.25  ANOMALY"
    assert Told(3, score=1.0, anomaly=False).to_json()["anomaly"] is False
    assert "anomaly" not in Told(0).to_json()


def test_softmax_survives_logits_of_any_size():
    """Large logits neither overflow nor lose the sum of one."""
    assert softmax([1000.0, 1000.0]) == [0.5, 0.5]
    assert softmax([-2000.0, 0.0, -2000.0]) == [0.0, 1.0, 0.0]
    assert math.fsum(softmax([0.1 * k for k in range(50)])) == pytest.approx(1.0, abs=1e-15)  # fifty roundings

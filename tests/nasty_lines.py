"""Random lines as bad as sensors, spreadsheets and people make them, and random flags. Everything is from a seed."""

from __future__ import annotations

import random

CHANNELS = ("ax", "ay", "az")
OTHERS = ("timestamp", "Date", "Time", "t", "note", "TimeStamp")

CELLS = (
    *(
        "",
        "NA",
        "nan",
        "NaN",
        "?",
        "-",
        "null",
        "None",
        "n/a",
        "inf",
        "-inf",
        "Infinity",
        "-INFINITY",
        "-200",
        "-200.0",
    ),
    *("1e5", "1E-3", "+7.", ".5", "-.5e+2", "1e400", "-1e-400", "1_0", "0x10", "1e", "e5", "--1", "1.2.3", "1,5", "."),
    *('"1""2"', '" 3"', '"4","5"', '"6"7', "'8'", "\u00a09\u2003", "\x1f2", "é", "\ufffd", "\x00", "a\x00b", "\t4"),
    *("\\", "'\"", "\x7f", "4.9406564584124654e-324", "0.1" + "0" * 40 + "1", "9007199254740993", "1" * 30, "\r5"),
)
"""What a line may hold where a number should be."""

BETWEEN = ("", " ", "\t", "\ufeff", "garbage", "\x0b", ",,", '"')
"""Lines that are no samples."""


def cell(rng: random.Random, nasty: float) -> str:
    if rng.random() >= nasty:
        return rng.choice([repr(rng.gauss(0, 100)), f"{rng.gauss(0, 100):.3f}", f" {rng.gauss(0, 9):.9e} "])
    if rng.random() < 0.8:
        return rng.choice(CELLS)
    return "".join(rng.choice("0123456789.-+e ") for _ in range(rng.randrange(1, 9)))


def moment(rng: random.Random, name: str, t: float, iso: bool) -> str:
    """Of a column of times, some of which are none."""
    whole = int(abs(t))
    if name == "Date":
        return f"{whole % 31 + 1:02d}/{whole % 12 + 1}/2004"
    if name == "Time":
        return f"{whole % 24:02d}.{whole % 60:02d}.00"
    if not iso:
        return repr(t)
    zone = rng.choice(["", "Z", "+01:00", "-0530"])
    clock = f"{whole % 24:02d}:{whole % 60:02d}:{whole % 60:02d}.{whole % 1000:03d}"
    return f"2024-{1 + whole % 12:02d}-{1 + whole % 31:02d}{rng.choice('T ')}{clock}{zone}"


def lines(rng: random.Random) -> bytes:
    """A stream of lines, from a spotless one to a ruin."""
    separator, nasty = rng.choice([",", ",", ";", "\t", "|", " ", "; "]), rng.choice([0, 0.03, 0.3])
    end, columns = rng.choice(["\n", "\n", "\n", "\r\n", "\r"]), list(CHANNELS)
    written = []
    if rng.random() < 0.7:
        columns += rng.sample(OTHERS, rng.randrange(0, 5))
        rng.shuffle(columns)
        columns = columns[rng.random() < 0.04 :] + ["ax"] * (rng.random() < 0.04)
        written.append(separator.join(f'"{c}"' if rng.random() < 0.1 else c for c in columns))
    t, iso, comma = float(rng.randrange(10**6)), rng.random() < 0.4, rng.random() < 0.2
    for _ in range(rng.randrange(25)):
        t += rng.choice([20, 20, 20.5, 50, 51, 5000, -3])
        row = [
            moment(rng, c, t, iso) if c in OTHERS[:4] and rng.random() >= nasty / 5 else cell(rng, nasty)
            for c in columns
        ]
        row = row[: len(row) - (rng.random() < nasty / 5)] + ["7"] * (rng.random() < nasty / 5)
        written.append(separator.join(row).replace(".", "," if comma else "."))
        if rng.random() < nasty / 3:
            written.append(rng.choice([*BETWEEN, separator.join(columns), separator.join(CHANNELS)]))
    text = ("\ufeff" if rng.random() < 0.05 else "") + end.join(written) + (end if rng.random() < 0.8 else "")
    data = bytearray(text.encode())
    for _ in range(rng.randrange(1, 4) if data and rng.random() < nasty / 2 else 0):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def flags(rng: random.Random) -> list[str]:
    """Flags of ``edge-lstm stream`` that the program has, too."""
    chosen: list[str] = []
    for chance, choices in (
        (0.4, [("--json",), ("--format", "json"), ("--format=text",)]),
        (0.3, [("--every-step",)]),
        (0.5, [("--missing", "refuse"), ("--missing", "hold"), ("--missing=skip",)]),
        (0.3, [("--range", "clamp"), ("--range", "refuse")]),
        (0.2, [("--range-factor", "1"), ("--range-factor", "2.5"), ("--range-factor", "50")]),
        (0.6, [("--malformed", "refuse"), ("--malformed", "skip"), ("--malformed", "skip")]),
        (0.4, [("--reset", rule) for rule in ("never", "gap > 50", "gap>1000ms", "every 3", " every  7 ")]),
    ):
        if rng.random() < chance:
            chosen += rng.choice(choices)
    return chosen

"""What happened to a live stream besides predictions: counted where it happens, said once at the end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counts:
    """How often each thing happened. Every count has one writer, so threads need no lock.

    Args:
        samples: taken by the model.
        held: missing values that the channel's last value stood in for.
        skipped: samples left out because a value was missing.
        malformed: lines left out because they are no sample.
        torn: first lines of a wire that was opened in the middle of one.
        clamped: values beyond what the input codes hold.
        resets: times the stream began anew.
        dropped: samples that a full queue pushed out.
        late: readings that a poll came too late for.
    """

    samples: int = 0
    held: int = 0
    skipped: int = 0
    malformed: int = 0
    torn: int = 0
    clamped: int = 0
    resets: int = 0
    dropped: int = 0
    late: int = 0

    def eventful(self, plain: bool) -> bool:
        """Whether anything happened besides samples. To a ``plain`` pipe, clamping is no news."""
        expected = {"samples", "clamped"} if plain else {"samples"}
        return any(count for name, count in vars(self).items() if name not in expected)

    def to_json(self) -> dict[str, int]:
        return dict(vars(self))

    def to_text(self) -> str:
        """One line of what did happen."""
        said = [words.format(vars(self)[name]) for name, words in _WORDS.items() if vars(self)[name]]
        return f"{self.samples} samples taken; " + ", ".join(said)


_WORDS = {
    "held": "{} missing values held",
    "skipped": "{} samples skipped for a missing value",
    "malformed": "{} malformed lines skipped",
    "torn": "{} torn first lines skipped",
    "clamped": "{} values clamped to the calibrated range",
    "resets": "{} resets",
    "dropped": "{} samples dropped by the full queue",
    "late": "{} readings missed for being late",
}

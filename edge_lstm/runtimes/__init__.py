"""Every place a model can run on this host, behind one interface: the table of back ends.

A back end is named once here and loaded when asked for, so that streaming on the base install never imports an
interpreter it does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lstm.bundle import LIBRARY, TFLITE_FUSED, TFLITE_STEP, Bundle
from edge_lstm.errors import BundleError, EdgeLstmError, MissingDependencyError, ProjectError
from edge_lstm.runtimes.choice import Choice, PassedOver

if TYPE_CHECKING:
    from edge_lstm.runtimes.base import Runtime


@dataclass(frozen=True)
class BackEnd:
    """A row of the table.

    Args:
        open: a bundle and an arithmetic → its runtime in zero state. Raises BundleError if the bundle lacks the file it
            runs, MissingDependencyError if the back end is not installed.
        arithmetics: what it can compute, the first being its default.
        caution: what nobody has checked of it.
    """

    open: Callable[[Bundle, str], Runtime]
    arithmetics: tuple[str, ...]
    caution: str = ""


def _reference(bundle: Bundle, arithmetic: str) -> Runtime:
    from edge_lstm.runtimes.reference import ReferenceRuntime

    return ReferenceRuntime(bundle.model(arithmetic), arithmetic)


def _c(bundle: Bundle, arithmetic: str) -> Runtime:
    from edge_lstm.runtimes.c_library import CLibrary

    file = bundle.library()
    runtime = CLibrary(file)
    if runtime.arithmetic != arithmetic:
        said = f"{file}: computes {runtime.arithmetic}, not {arithmetic}; choose another --backend"
        raise _OtherArithmeticError(said)
    return runtime


class _OtherArithmeticError(BundleError):
    """The bundle's library is sound and of no use: a bundle has one library, of one arithmetic."""


_TFLITE_FILES = {"tflite": TFLITE_FUSED, "step": TFLITE_STEP}
_TFLITE = tuple(_TFLITE_FILES)
"""What TFLite's interpreters compute. A bundle has no fused file if TFLite fuses not every cell of its model."""


def _tflite_runtime(bundle: Bundle, arithmetic: str) -> Runtime:
    from edge_lstm.runtimes.tflite_runtime import tflite_runtime

    return tflite_runtime(bundle.file(_TFLITE_FILES[arithmetic]))


def _litert(bundle: Bundle, arithmetic: str) -> Runtime:
    from edge_lstm.runtimes.litert import litert

    return litert(bundle.file(_TFLITE_FILES[arithmetic]))


def _tflm(bundle: Bundle, _arithmetic: str) -> Runtime:
    # Its state cannot be set, so a model loaded on it serves one stream; see its set_state.
    from edge_lstm.runtimes.tflm import tflm

    return tflm(bundle.file(TFLITE_FUSED))


def _edge_tpu(bundle: Bundle, _arithmetic: str) -> Runtime:
    from edge_lstm.runtimes.edge_tpu import edge_tpu

    return edge_tpu(bundle)


BACK_ENDS = {
    "reference": BackEnd(_reference, ("native", "tflite", "tflm", "step", "float")),
    "c": BackEnd(_c, ("native", "float")),
    "tflite-runtime": BackEnd(_tflite_runtime, _TFLITE),
    "litert": BackEnd(_litert, _TFLITE),
    "tflm": BackEnd(_tflm, ("tflm",)),
    "edgetpu": BackEnd(_edge_tpu, ("step",), "unchecked: nothing of this was run on an Edge TPU"),
}

PREFERENCE = ("c", "tflite-runtime", "litert", "tflm", "reference")
"""Fastest first: what ``auto`` tries, among the back ends that compute the arithmetic asked for.

The Edge TPU is asked for by name: one call of it takes longer than a step of a small LSTM on the CPU beside it
(edgetpu issues 323 and 689).
"""


def open_runtime(bundle: Bundle, backend: str = "auto", arithmetic: str | None = None) -> Choice:
    """A runtime of the bundle, in its zero state, and how it was chosen.

    Args:
        backend: a name of ``BACK_ENDS``, or ``auto``: the fastest that is installed here and computes ``arithmetic``.
        arithmetic: ``native``, ``tflite``, ``tflm``, ``step`` or ``float``; None takes the first that both have.

    Raises:
        ProjectError: if there is no such back end, or it cannot compute ``arithmetic``.
        BundleError: if the bundle does not hold that arithmetic, or lacks the file this back end runs.
        MissingDependencyError: if the back end is not installed here.
        TargetError: if the accelerator that it runs on is not there.
    """
    if backend not in ("auto", *BACK_ENDS):
        raise ProjectError(f"back end {backend!r} is not known; choose one of auto, {', '.join(BACK_ENDS)}")
    row = BACK_ENDS["reference" if backend == "auto" else backend]
    chosen = _shared(bundle, row.arithmetics, f"back end {backend}", arithmetic)
    if backend == "auto":
        return _fastest(bundle, chosen)
    instead = _EXPLICIT if row.arithmetics == _TFLITE and chosen != _TFLITE[0] and arithmetic is None else ""
    return Choice(row.open(bundle, chosen), chosen, backend, caution=row.caution, instead=instead)


_EXPLICIT = f"this bundle has no {TFLITE_FUSED}, so {TFLITE_STEP} runs"


def _shared(bundle: Bundle, computed: tuple[str, ...], who: str, asked: str | None) -> str:
    """The arithmetic to run: the one asked for, or the first both sides have."""
    held = bundle.arithmetics
    if asked is not None and asked not in computed:
        raise ProjectError(f"{who} does not compute arithmetic {asked!r}; it computes {', '.join(computed)}")
    if asked is not None and asked not in held:
        raise BundleError(f"{bundle.path}: holds no arithmetic {asked!r}; it holds {', '.join(held)}")
    shared = [name for name in computed if name in held and asked in (None, name)]
    if not shared:
        raise BundleError(
            f"{bundle.path}: holds arithmetic {', '.join(held)}, but {who} computes {', '.join(computed)}; "
            "choose another --backend"
        )
    return shared[0]


def _fastest(bundle: Bundle, arithmetic: str) -> Choice:
    passed_over: list[PassedOver] = []
    for name in PREFERENCE[:-1]:
        if arithmetic not in BACK_ENDS[name].arithmetics:
            passed_over.append(PassedOver(name, f"does not compute {arithmetic}"))
            continue
        try:
            runtime = BACK_ENDS[name].open(bundle, arithmetic)
        except (MissingDependencyError, BundleError) as error:
            passed_over.append(_passed_over(bundle, name, error))
            continue
        return Choice(runtime, arithmetic, name, True, tuple(passed_over))
    runtime = BACK_ENDS[PREFERENCE[-1]].open(bundle, arithmetic)
    return Choice(runtime, arithmetic, PREFERENCE[-1], True, tuple(passed_over))


def _passed_over(bundle: Bundle, name: str, error: EdgeLstmError) -> PassedOver:
    """What an error says, without where; and its next move, if the computer or the export is at fault."""
    what, _, move = str(error).rpartition("; ")
    for known in (f"{bundle.path}: ", f"{bundle.path}/", f"the back end {name} is ", f"{name} "):
        what = what.removeprefix(known)
    return PassedOver(name, what, move if isinstance(error, MissingDependencyError) or _strange(bundle, error) else "")


def _strange(bundle: Bundle, error: EdgeLstmError) -> bool:
    """Whether a bundle with libraries for some computers has none that is of use on this one."""
    library = LIBRARY.rpartition("/")[2]
    return not isinstance(error, _OtherArithmeticError) and any(n.endswith(library) for n in bundle.manifest["files"])

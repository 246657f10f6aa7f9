"""How the speed of a movement is spread over its time: the usual named curves, from 0 at the start to 1 at the end.

The names and formulae are those of Robert Penner's easing equations (as CSS, After Effects and game engines have them).
An `..._in` starts slowly, `..._out` ends slowly, `..._in_out` both. Every curve is exactly 0 at 0 and exactly 1 at 1,
also `expo`, which Penner writes with a jump of 1/1024. All but the `back` curves run forward all the time; those draw
back a tenth before they start, or run past the end by a tenth and return. Elastic and bounce are left out: nobody
moves a camera like that.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import UserError

Curve = Callable[[np.ndarray], np.ndarray]
# How far `back` goes beyond: 1.70158 makes it 10 %.
BEYOND = 1.70158


def _expo(x: np.ndarray) -> np.ndarray:
    return (2.0 ** (10 * (x - 1)) - 2.0**-10) / (1 - 2.0**-10)


def _back(x: np.ndarray) -> np.ndarray:
    # x^2 ((s + 1) x - s), written so that rounding leaves exactly 1 at 1.
    return x * x * (1 + (BEYOND + 1) * (x - 1))


_STARTS: dict[str, Curve] = {
    "sine": lambda x: 1 - np.sin(np.pi / 2 * (1 - x)),
    "quad": lambda x: x * x,
    "cubic": lambda x: x**3,
    "quart": lambda x: x**4,
    "quint": lambda x: x**5,
    "expo": _expo,
    "circ": lambda x: 1 - np.sqrt(1 - x * x),
    "back": _back,
}


def _out(start: Curve) -> Curve:
    return lambda x: 1 - start(1 - x)


def _in_out(start: Curve) -> Curve:
    return lambda x: np.where(x < 0.5, start(np.minimum(2 * x, 1)) / 2, 1 - start(np.minimum(2 - 2 * x, 1)) / 2)


# The first four are the everyday ones; 'in' and 'out' are the quadratic curves, 'smooth' is the smoothstep 3x^2 - 2x^3.
EASINGS: dict[str, Curve] = {
    "smooth": lambda x: x * x * (3 - 2 * x),
    "linear": lambda x: x,
    "in": _STARTS["quad"],
    "out": _out(_STARTS["quad"]),
    "smoother": lambda x: x**3 * (x * (6 * x - 15) + 10),
}
for _name, _start in _STARTS.items():
    EASINGS[f"{_name}_in"] = _start
    EASINGS[f"{_name}_out"] = _out(_start)
    EASINGS[f"{_name}_in_out"] = _in_out(_start)

EASES = tuple(EASINGS)


def eased(progress: np.ndarray | float, kind: str) -> np.ndarray:
    """Progress 0..1 (...) with its speed shaped by the curve `kind` of EASES; values outside 0..1 count as the end.

    Raises UserError for a name that is no curve.
    """
    if kind not in EASINGS:
        raise UserError(f"the ease '{kind}' is unknown: choose one of {', '.join(EASES)}")
    return EASINGS[kind](np.clip(np.asarray(progress, np.float64), 0, 1))

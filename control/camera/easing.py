"""Easing curves: how the speed of a movement is spread over its time, from 0 at the start to 1 at the end.

The names and formulas are those of Robert Penner's easing equations (as CSS, After Effects and game engines have them).
An `..._in` starts slowly, `..._out` ends slowly, `..._in_out` both. Every curve is exactly 0 at 0 and exactly 1 at 1,
also `expo`, which Penner writes with a jump of 1/1024. All curves are monotone but `back`, which overshoots by a tenth
at its start or end. Elastic and bounce are left out: nobody moves a camera like that.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import UserError

Curve = Callable[[np.ndarray], np.ndarray]
# Penner's constant: `back` overshoots by 10 %.
OVERSHOOT = 1.70158


def _expo(x: np.ndarray) -> np.ndarray:
    value: np.ndarray = (2.0 ** (10 * (x - 1)) - 2.0**-10) / (1 - 2.0**-10)
    return value


def _back(x: np.ndarray) -> np.ndarray:
    # x^2 ((s + 1) x - s), written so that rounding leaves exactly 1 at 1.
    value: np.ndarray = x * x * (1 + (OVERSHOOT + 1) * (x - 1))
    return value


_EASE_IN: dict[str, Curve] = {
    "sine": lambda x: 1 - np.sin(np.pi / 2 * (1 - x)),
    "quad": lambda x: x * x,
    "cubic": lambda x: x**3,
    "quart": lambda x: x**4,
    "quint": lambda x: x**5,
    "expo": _expo,
    "circ": lambda x: 1 - np.sqrt(1 - x * x),
    "back": _back,
}


def _out(ease_in: Curve) -> Curve:
    return lambda x: 1 - ease_in(1 - x)


def _in_out(ease_in: Curve) -> Curve:
    return lambda x: np.where(x < 0.5, ease_in(np.minimum(2 * x, 1)) / 2, 1 - ease_in(np.minimum(2 - 2 * x, 1)) / 2)


# The first four are the everyday ones; 'in' and 'out' are the quadratic curves, 'smooth' is the smoothstep 3x^2 - 2x^3.
EASINGS: dict[str, Curve] = {
    "smooth": lambda x: x * x * (3 - 2 * x),
    "linear": lambda x: x,
    "in": _EASE_IN["quad"],
    "out": _out(_EASE_IN["quad"]),
    "smoother": lambda x: x**3 * (x * (6 * x - 15) + 10),
}
for _name, _ease_in in _EASE_IN.items():
    EASINGS[f"{_name}_in"] = _ease_in
    EASINGS[f"{_name}_out"] = _out(_ease_in)
    EASINGS[f"{_name}_in_out"] = _in_out(_ease_in)

EASING_NAMES = tuple(EASINGS)


def apply_easing(progress: np.ndarray | float, name: str) -> np.ndarray:
    """Return progress 0..1 (...) with its speed shaped by the curve `name` of EASINGS; it is clipped to 0..1 first.

    Raises UserError for an unknown name.
    """
    if name not in EASINGS:
        raise UserError(f"the ease '{name}' is unknown: choose one of {', '.join(EASING_NAMES)}")
    return EASINGS[name](np.clip(np.asarray(progress, np.float64), 0, 1))

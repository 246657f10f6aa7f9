"""Which strengths and which parts of sampling are allowed for conditions."""

from __future__ import annotations

from .errors import UserError

MAX_STRENGTH = 5.0


def check_strength(strength: float, start: float, end: float, what: str) -> None:
    """Raise UserError unless 0 <= strength <= 5 and 0 <= start < end <= 1."""
    if not 0 <= strength <= MAX_STRENGTH:
        raise UserError(f"{what} has strength {strength}; a number from 0 to {MAX_STRENGTH:g} was expected")
    if not 0 <= start < end <= 1:
        raise UserError(f"{what} holds from {start} to {end} of sampling; 0 <= start < end <= 1 was expected")

"""The same clip with each condition taken away: which sets show what each of them does."""

from __future__ import annotations

from collections.abc import Iterable


def ablations(names: Iterable[str], title: str) -> dict[str, tuple[str, ...]]:
    """Return sets of conditions by title: all of them under `title`, all but each, and none."""
    names = tuple(names)
    sets = {title: names}
    if len(names) > 1:
        sets |= {f"without {left_out}": tuple(name for name in names if name != left_out) for left_out in names}
    if names:
        sets["without any"] = ()
    return sets

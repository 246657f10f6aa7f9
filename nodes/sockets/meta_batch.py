"""VideoHelperSuite's Meta Batch Manager: a prompt that runs again and again, each time on the next frames of a clip.

The manager is one object for all runs of a clip. It has `frames_per_batch`, and `inputs`, a dict that it makes anew
when a clip begins. What a node keeps from run to run is kept beside the manager, as long as that dict is the same.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from ...control.errors import UserError

_kept: WeakKeyDictionary = WeakKeyDictionary()


def check(manager: Any) -> None:
    """Raises UserError for what is no such manager."""
    if not isinstance(getattr(manager, "inputs", None), dict) or not hasattr(manager, "frames_per_batch"):
        raise UserError(
            f"meta_batch got {type(manager).__name__}; the output of VideoHelperSuite's Meta Batch Manager was expected"
        )


def recall(manager: Any, node: str) -> Any:
    """What the node put there in the run before, or None where the clip begins."""
    check(manager)
    inputs, states = _kept.get(manager, (None, {}))
    return states.get(node) if inputs is manager.inputs else None


def keep(manager: Any, node: str, state: Any) -> None:
    """Put there what the node needs in the next run."""
    check(manager)
    inputs, states = _kept.get(manager, (None, {}))
    _kept[manager] = (manager.inputs, {**(states if inputs is manager.inputs else {}), node: state})


def ended(manager: Any) -> None:
    """Say that there are no more frames, so that the prompt is not run again."""
    manager.has_closed_inputs = True

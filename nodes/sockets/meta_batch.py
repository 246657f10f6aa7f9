"""VideoHelperSuite's Meta Batch Manager: a prompt that runs again and again, each time on the next frames of a clip.

One manager object serves all runs of a clip; it makes a new `inputs` dict when a clip begins. The state that a node
keeps between runs is stored beside the manager, and is valid as long as that dict is the same object.
"""

from __future__ import annotations

from typing import Any, Protocol
from weakref import WeakKeyDictionary

from ...control.errors import UserError


class MetaBatchManager(Protocol):
    """The fields of VideoHelperSuite's class that are used here."""

    frames_per_batch: int
    inputs: dict[str, Any]
    has_closed_inputs: bool


# manager -> (its `inputs` when the states were stored, state by node id). A state is whatever its node stores.
_states: WeakKeyDictionary[MetaBatchManager, tuple[dict[str, Any], dict[str, Any]]] = WeakKeyDictionary()


def load_state(manager: MetaBatchManager, node_id: str) -> Any:
    """Return the state that a node stored in the previous run, or None if the clip begins with this one.

    Raises UserError for an object that is not a Meta Batch Manager.
    """
    return _states_of(manager).get(node_id)


def store_state(manager: MetaBatchManager, node_id: str, state: Any) -> None:
    """Store the state of a node for the next run."""
    _states[manager] = (manager.inputs, {**_states_of(manager), node_id: state})


def end_clip(manager: MetaBatchManager) -> None:
    """Tell the manager that there are no more frames, so that the prompt does not run again."""
    manager.has_closed_inputs = True


def _states_of(manager: MetaBatchManager) -> dict[str, Any]:
    """Return the states of the clip under way by node id."""
    if not isinstance(getattr(manager, "inputs", None), dict) or not hasattr(manager, "frames_per_batch"):
        raise UserError(
            f"meta_batch got {type(manager).__name__}; the output of VideoHelperSuite's Meta Batch Manager was "
            f"expected."
        )
    inputs, states = _states.get(manager, (None, {}))
    return states if inputs is manager.inputs else {}

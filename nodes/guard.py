"""What no input of a node may be: a value typed where the output of another node belongs, an option that is not there.

The host checks neither: a prompt sent through its API may hold anything. `guarded` does, for every node of the pack:
before anything runs where the value stands in the prompt, and again when the node runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

from ..control.camera import CameraTrajectory
from ..control.condition import Condition
from ..control.conditions import Conditions
from ..control.depth import DepthClip
from ..control.errors import UserError, shorten
from ..control.identity import Identity
from .inputs import validity

DYNAMIC, AUTOGROW = "COMFY_DYNAMICCOMBO_V3", "COMFY_AUTOGROW_V3"
WIDGETS = ("STRING", "INT", "FLOAT", "BOOLEAN", "COMBO")
CLASSES: Mapping[str, type] = {  # of the pack's sockets
    "FULLDIT_CAMERA": CameraTrajectory,
    "FULLDIT_IDENTITY": Identity,
    "FULLDIT_DEPTH": DepthClip,
    "FULLDIT_CONDITION": Condition,
    "FULLDIT_CONDITIONS": Conditions,
}
ARRAYS = {"IMAGE": 3, "MASK": 2, "WAN_CAMERA_EMBEDDING": 5, "SIGMAS": 1}  # tensors, with the fewest axes that they have
LISTS = ("CAMERACTRL_POSES", "CONDITIONING")


def guarded(node: Any) -> Any:
    """Return a node class whose inputs are checked before it runs; once for each class."""
    if "fulldit_guard" in node.__dict__:
        return node
    node.fulldit_guard = True
    sockets = [entry.id for entry in node.define_schema().inputs if entry.io_type not in (*WIDGETS, DYNAMIC, AUTOGROW)]
    node.execute = classmethod(_checking(node.execute.__func__))
    node.validate_inputs = classmethod(_validating(node.__dict__.get("validate_inputs"), sockets))
    return node


def _checking(execute: Callable[..., Any]) -> Callable[..., Any]:
    names = list(inspect.signature(execute).parameters)[1:]

    @wraps(execute)
    def checked(cls: Any, *values: Any, **given: Any) -> Any:
        check_inputs(cls.define_schema().inputs, given | dict(zip(names, values, strict=False)), needed=True)
        return execute(cls, *values, **given)

    return checked


def _validating(own: Any, sockets: list[str]) -> Callable[..., Any]:
    """Return `validate_inputs` of a node: its own, with its arguments, and the check of values on sockets.

    The host passes what stands in the prompt for the arguments' names, and None for what is connected.
    """
    inner = own.__func__ if own is not None else None
    parameters = list(inspect.signature(inner).parameters.values())[1:] if inner is not None else []
    names = [parameter.name for parameter in parameters]
    needed = {parameter.name for parameter in parameters if parameter.default is parameter.empty}

    def validate(cls: Any, *values: Any, **given: Any) -> bool | str:
        given |= dict(zip(names, values, strict=False))
        listed = [entry for entry in cls.define_schema().inputs if entry.id in sockets]
        answer = validity(lambda: check_inputs(listed, given))
        if answer is not True or inner is None:
            return answer
        # What is not in the prompt keeps its default, by which a node tells it from what is connected.
        result: bool | str = inner(cls, **{name: given.get(name) for name in names if name in given or name in needed})
        return result

    keyword = inspect.Parameter.KEYWORD_ONLY
    arguments = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None) for name in names]
    extra = [inspect.Parameter(name, keyword, default=None) for name in sockets if name not in names]
    first = inspect.Parameter("cls", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    validate.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [first, *arguments, *(p.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in extra)]
    )
    return validate


def check_inputs(listed: Iterable[Any], given: Mapping[str, Any], needed: bool = False) -> None:
    """Raise UserError for an input, of those that a schema lists, whose value no node can have put there.

    needed: also for null where something has to be connected; before a run, None stands for what is connected.
    """
    for entry in listed:
        value = given.get(entry.id)
        if entry.io_type in WIDGETS:
            continue
        if value is None:
            if entry.io_type == DYNAMIC and needed and entry.id in given and not entry.optional:
                _check_choice(entry, value)
            if needed and not entry.optional and entry.io_type not in (DYNAMIC, AUTOGROW):
                raise UserError(f"Nothing is connected to the input '{entry.id}' ({entry.io_type}): connect a node.")
            continue
        if entry.io_type == DYNAMIC:
            _check_choice(entry, value)
        elif entry.io_type == AUTOGROW:
            for inner in value.values() if isinstance(value, Mapping) else [value]:
                if inner is not None:
                    _check_socket(entry.id, entry.template.input.io_type, inner)
        else:
            _check_socket(entry.id, entry.io_type, value)


def _check_choice(entry: Any, value: Any) -> None:
    """Check the choice of a DynamicCombo, and the inputs that come with it."""
    options = {option.key: option for option in entry.options}
    chosen = value.get(entry.id) if isinstance(value, Mapping) else value
    if not isinstance(chosen, str) or chosen not in options:
        raise UserError(f"The input '{entry.id}' is {shorten(chosen)}; choose one of {', '.join(options)}.")
    if isinstance(value, Mapping):
        check_inputs(options[chosen].inputs, value)


def _check_socket(name: str, io_type: str, value: Any) -> None:
    if io_type in CLASSES:
        fits = isinstance(value, CLASSES[io_type])
    elif io_type in ARRAYS:
        fits = hasattr(value, "shape") and hasattr(value, "dtype")
    else:  # of the host or of another pack: what their values hold is the node's to check
        fits = not isinstance(value, (str, int, float)) and (io_type in LISTS or not isinstance(value, list))
    if not fits:
        raise UserError(
            f"The input '{name}' is {shorten(value)}, but takes the output of another node ({io_type}): connect one."
        )
    if len(getattr(value, "shape", ())) < ARRAYS.get(io_type, 0):
        raise UserError(
            f"The input '{name}' has shape {tuple(value.shape)}; {ARRAYS[io_type]} axes or more were expected of"
            f" {io_type}. Look at the node before."
        )

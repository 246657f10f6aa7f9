"""Whether the page wants to see a clip while it is sampled: a switch that takes effect at the next step.

What is shown changes nothing of the result. So the page does not send the switch with the prompt, where another value
would let the host sample again, but beside it; a prompt without a page says it in its input.
"""

from __future__ import annotations

from ...control.errors import UserError

_wishes: dict[str, bool] = {}  # by the number of the node in its graph


def set_wish(request: object) -> None:
    """Note what a request's JSON {"node": number, "on": bool} says. Raises UserError for another one."""
    node, on = (request.get(name) if isinstance(request, dict) else None for name in ("node", "on"))
    if not isinstance(node, (str, int)) or not isinstance(on, bool):
        raise UserError("A wish for a preview needs the number of a node, and on or off: reload the page.")
    _wishes[_number(node)] = on


def is_wished(node: str | None, default: bool) -> bool:
    """Return whether the page wants previews of a node; `default` if it never said. The id may name subgraphs."""
    return default if node is None else _wishes.get(_number(node), default)


def executing_node() -> str | None:
    """Return the id of the node that the host runs, or None outside of a run."""
    from comfy_execution.utils import get_executing_context

    context = get_executing_context()
    return None if context is None else str(context.node_id)


def _number(node: str | int) -> str:
    return str(node).rpartition(":")[2]

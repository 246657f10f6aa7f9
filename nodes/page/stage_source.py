"""The painter's frames for a page that was loaded again: those that are still stored, or made anew from the loader.

The page asks with the name of a stage and with the nodes that its frames come from, as an API prompt has them. Only
nodes that read a file of the input folder (and what turns a video into images) are run here: what else there is may
take minutes, and is for the user to run.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from ...control.errors import UserError
from .stage import StageMessage, find_stage, save_stage

LOADERS = ("LoadImage", "LoadVideo", "GetVideoComponents", "VHS_LoadVideo", "FullDiTExample")
MAX_NODES = 4
RUN = "run this node once to see the frames"

_one_at_a_time = threading.Lock()


def recover_stage(request: object) -> StageMessage:
    """Return the message of the stage that a request's JSON asks for.

    request: {"stage": name or null, "source": {"nodes": {id: {"class_type", "inputs"}}, "output": [id, number]} or
    null}. Raises UserError that says what to do where the frames are gone and cannot be made from the source.
    """
    if not isinstance(request, dict):
        raise UserError("The request for frames is not a JSON object: reload the page.")
    held = find_stage(request.get("stage"))
    if held is not None:
        return held
    source = request.get("source")
    nodes = source.get("nodes") if isinstance(source, dict) else None
    output = source.get("output") if isinstance(source, dict) else None
    if not isinstance(nodes, dict) or not _is_link(output):
        raise UserError(f"The frames are gone from the server: {RUN}.")
    unknown = sorted({str(_kind(node)) for node in nodes.values()} - set(LOADERS))
    if unknown or not 0 < len(nodes) <= MAX_NODES:
        what = f"come from {', '.join(unknown)}" if unknown else "do not come from a loader alone"
        raise UserError(f"The frames are gone from the server and {what}: {RUN}.")
    with _one_at_a_time:
        try:
            images = _output(nodes, output, depth=0)
        except UserError:
            raise
        except Exception as error:  # a loader of the host or of another pack: whatever it raises
            raise UserError(
                f"The frames are gone from the server and cannot be loaded again ({error}): {RUN}."
            ) from error
        return save_stage(images)


def _kind(node: object) -> object:
    return node.get("class_type") if isinstance(node, dict) else None


def _is_link(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], int)


def _output(nodes: Mapping[str, Any], link: Any, depth: int) -> Any:
    """Return what a node puts out at [id, number], its own inputs first."""
    import nodes as host_nodes

    name, number = str(link[0]), link[1]
    if name not in nodes or depth > MAX_NODES:
        raise UserError(f"The nodes that the frames come from are not all known: {RUN}.")
    kind = nodes[name]["class_type"]
    node_class = host_nodes.NODE_CLASS_MAPPINGS.get(kind)
    if node_class is None:
        raise UserError(f"There is no node {kind} here: {RUN}.")
    types = node_class.INPUT_TYPES()
    known = {*types.get("required", {}), *types.get("optional", {})}
    values = {
        key: _output(nodes, value, depth + 1) if _is_link(value) else value
        for key, value in (nodes[name].get("inputs") or {}).items()
        if key in known
    }
    if hasattr(node_class, "execute"):  # a V3 node: a class method that returns a NodeOutput
        return node_class.execute(**values).args[number]
    return getattr(node_class(), node_class.FUNCTION)(**values)[number]

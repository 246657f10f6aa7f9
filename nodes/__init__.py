"""Everything that knows ComfyUI: thin nodes, one file per thing a user does.

extension.py lists the nodes, inputs.py holds inputs that several nodes have. bridge/ is the model side of the host,
page/ what serves the editors, sockets/ other packs' and core's types. torch networks are imported where they are
used, so that the pack costs the host's start next to nothing.
"""

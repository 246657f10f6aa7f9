"""Everything that knows ComfyUI: thin nodes, one file per thing a user does.

`extension.py` lists the nodes, `bridge/` holds the few classes that the host wants. torch networks are imported where
they are used, so that the pack costs the host's start next to nothing.
"""

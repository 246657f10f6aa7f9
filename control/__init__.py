"""What the user says, before any network sees it: camera paths, identities and depth, in numpy alone.

`camera/` holds trajectories, presets, splines and file formats; `identity/` slots, maps and references; `depth/`
normalization; `bundle.py` puts them together as `Controls`; `media.py`, `files.py` and `load.py` bring them in from
files and out again. Nothing here knows torch or ComfyUI.
"""

"""What the user says, before any network sees it: camera paths, identities and depth, in numpy alone.

`camera/` holds trajectories, presets, splines and file formats; `identity/` slots, maps, references and masks; `depth/`
normalization. `bundle.py` puts them together as `Controls`; `fit.py` brings them to a video's size and length.
`load.py` reads them from what a user types; `clip_files.py`, `media.py` and `files.py` read and write files. `images.py`
(resizing), `optical_flow.py`, `libraries.py` (optional ones), `progress.py` and `errors.py` are shared by all. Nothing
here knows torch or ComfyUI.
"""

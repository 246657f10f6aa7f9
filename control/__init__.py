"""What the user says, before any network sees it: camera paths, identities and depth, in numpy alone.

condition.py says what every condition has; camera_condition.py, identity_condition.py and depth_condition.py hold one
class each, conditions.py all of them together for one video, fit.py how they are brought to its size and length,
annotated_clip.py a clip that is known exactly.
`camera/` holds trajectories, presets, splines and file formats; `identity/` slots, masks and references; `depth/` clips
of depth. load.py reads what a user types; clip_files.py, media.py and files.py read and write files; images.py
(resizing), optical_flow.py, libraries.py (optional ones), progress.py and errors.py serve all. Nothing here knows torch
or ComfyUI.
"""

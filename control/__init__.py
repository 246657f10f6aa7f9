"""What the user says, before any network sees it: camera paths, identities, depth and videos, in numpy alone.

condition.py holds what every condition has: the base class and the registry. camera_condition.py,
identity_condition.py, depth_condition.py and source_condition.py hold one class each. conditions.py holds all
conditions of one video together, fit.py brings them to its size and length, annotated_clip.py is a clip of which
everything is known. `camera/` holds trajectories, presets, splines and file formats; `identity/` slots, masks and
references; `depth/` clips of depth.

load.py reads what a user types. media.py reads and writes images and videos, clip_files.py reads clips frame by frame,
frame_order.py puts the frames of a folder in order, image_header.py measures images and video_file.py decodes videos as
players show them, video_container.py finds those that are cut short, limits.py says what is too large;
files.py writes any file whole or not at all. images.py resizes, optical_flow.py follows pixels between two images,
libraries.py imports optional libraries, strength.py checks strengths, progress.py reports progress, errors.py is the
error that a user reads. Nothing here knows torch or ComfyUI.
"""

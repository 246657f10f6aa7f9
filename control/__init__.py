"""What the user says, before any network sees it: camera paths, identities, depth and videos, in numpy alone.

condition.py holds what every condition has: the base class and the registry. camera_condition.py,
identity_condition.py, depth_condition.py, source_condition.py, known_frames_condition.py, control_video_condition.py,
sound_condition.py and lowres_condition.py hold one class each; known_frames_files.py reads known frames and
known_frames_draw.py draws them for a training. conditions.py holds all conditions of one video together, ablations.py
names the sets that leave one out, fit.py brings them to its size and length, fit_video.py does so with a video,
story.py is a prompt with time spans, key_frames.py thins the conditions of a long clip to its key frames,
annotated_clip.py is a clip of which everything is known. `camera/` holds trajectories, presets, splines and file
formats; `identity/` slots, masks and references; `depth/` clips of depth; `control_video/` edges, poses and the like;
`degradations/` what makes a good clip a bad one; `bundle/` all of them in one folder.

load.py reads what a user types. media.py reads and writes images and videos, clip_files.py reads clips frame by frame,
array_files.py reads arrays of NumPy, frame_order.py puts the frames of a folder in order, image_header.py measures
images and video_file.py decodes videos as players show them, video_container.py finds those that are cut short,
limits.py says what is too large; files.py writes any file whole or not at all, folder_lock.py keeps others out of a
folder. images.py resizes, optical_flow.py follows pixels between two images, sound.py hears how loud a sound is,
ranges.py puts numbers of frames into words, frame_spans.py reads them, enhance.py writes what a language model is asked
for a caption, libraries.py imports optional libraries, checked_frames.py checks clips of images and strength.py
strengths, progress.py reports progress, errors.py is the error that a user reads. Nothing here knows torch or ComfyUI.
"""

"""Everything that knows ComfyUI: thin nodes, one file per thing a user does.

The model: load.py, conditions.py, apply.py, sampler.py, preview.py, example.py. Cameras: camera.py (presets),
camera_path.py (the editor), camera_files.py, camera_video.py, camera_transform.py, camera_preview.py, camera_to.py and
camera_from.py (sockets of other nodes). Identities: identity.py, mask_painter.py, mask_propagate.py, mask_sam3.py,
identity_map.py, crop_reference.py. Depth: depth.py (the condition), depth_extract.py, depth_along.py, depth_images.py.

extension.py lists the nodes, inputs.py holds inputs that several nodes have, folders.py finds the user's files and
progress.py shows progress. bridge/ is the model side of the host, page/ serves the page, sockets/ holds other packs'
and core's types. torch networks are imported where they are used, so that the pack costs the host's start next to
nothing.
"""

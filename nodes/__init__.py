"""Everything that knows ComfyUI: thin nodes, one file per thing a user does.

The model: load.py (checkpoint to MODEL, CLIP, VAE), load_video_model.py (public models, and what a MODEL is),
pair_experts.py (two networks as one MODEL), lora.py (LoRAs onto a MODEL), conditions.py (all conditions of a video),
apply.py (for stock samplers), sampler.py (our sampler), preview.py (conditions as images), example.py (the files of
assets).

Cameras: camera.py (presets), camera_path.py (the editor), camera_files.py (load and save), camera_video.py (estimate
from a video), camera_transform.py (edit a path), camera_preview.py (a path as images), render_along.py (an image or a
clip, seen along a path), camera_to.py and camera_from.py (to and from sockets of other nodes).

Identities: identity.py (who, and where), mask_painter.py (the painter and the track editor), mask_propagate.py (masks
followed through a video), mask_sam3.py (SAM 3's masks), identity_map.py (the map as images), crop_reference.py (one
thing cut out of an image).

Depth: depth.py (the condition), depth_extract.py (from any source), depth_along.py (along a camera path),
depth_images.py (for other models).

extension.py lists the nodes, inputs.py holds inputs that several nodes have, folders.py finds the user's files and
progress.py shows progress. `bridge/` is the model side of the host, `drivers/` how conditions drive each family of
models, `page/` serves the page, `sockets/` holds other packs' and core's types. torch networks are imported where they
are used, so that the pack costs the host's start next to nothing.
"""

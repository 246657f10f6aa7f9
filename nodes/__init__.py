"""Everything that knows ComfyUI: thin nodes, one file per thing a user does.

The model: load.py (checkpoint to MODEL, CLIP, VAE), load_video_model.py (public models, and what a MODEL is),
pair_experts.py (two networks as one MODEL), lora.py (LoRAs onto a MODEL), train.py (a model tuned on a video or a
folder of them), known_frames.py (frames and regions that are there already), key_frames.py (a long clip in two levels),
control_video.py (edges, poses and the like), sound.py (what moves to a sound), conditions.py (all conditions of a
video; asked_video.py: its size and tokens), apply.py (for stock samplers), sampler.py (our sampler), upscale_video.py
(longer sides, by an upsampler), story.py (prompts with time spans), preview.py (conditions as images), compare.py (a
clip with each condition taken away), agreement_report.py (what was asked and what came out), fit_video.py (a video that
fits a model), enhance_prompt.py (what a language model is asked for a caption), bundle.py (conditions into a folder and
back), example.py (the files of assets).

Cameras: camera.py (presets), camera_path.py (the editor), camera_files.py (load and save), camera_video.py (estimate
from a video), camera_transform.py (edit a path), camera_preview.py (a path as images), camera_describe.py (in words),
render_along.py (an image or a clip, seen along a path), camera_to.py and camera_from.py (to and from sockets of other
nodes).

Identities: identity.py (who, and where), mask_painter.py (the painter and the track editor), mask_propagate.py (masks
followed through a video), mask_sam3.py (SAM 3's masks), identity_map.py (the map as images), crop_reference.py (one
thing cut out of an image).

Depth: depth.py (the condition), depth_extract.py (from any source), depth_along.py (along a camera path),
depth_images.py (for other models).

extension.py lists the nodes, guard.py refuses what the host lets onto their sockets, inputs.py holds inputs that
several nodes have, followed.py says whose size and length they take, downstream.py what the graph wants of a slow node,
folders.py finds the user's files and progress.py shows progress. `bridge/` is the model side of the host, `drivers/`
how conditions drive each family of models, `page/` serves the page, `sockets/` holds other packs' and core's types.
torch networks are imported where they are used, so that the pack costs the host's start next to nothing.
"""

"""How well the tools work (`fulldit bench camera`, `masks`, `depth`, `trust`, `upscale`).

camera_bench.py measures camera files, rays and estimated cameras; textured_room.py renders a room for its videos.
masks_bench.py measures in-betweens and propagated masks. trust_bench.py measures whether cameras and masks say it where
they are wrong, on the clips of camera_clips.py and mask_clips.py. depth_bench.py measures flicker, chunks, memory and
time. upscale_bench.py measures an upsampler beside bicubic enlargement.
"""

"""How well the tools work (`fulldit bench camera`, `masks`, `depth`).

camera_bench.py measures camera files, rays and estimated cameras; textured_room.py renders a room for its videos.
masks_bench.py measures in-betweens and propagated masks. depth_bench.py measures flicker, chunks, memory and time.
"""

"""How well the tools work (`fulldit bench camera`, `masks`, `depth`): camera_bench.py with textured_room.py,
masks_bench.py, depth_bench.py.
"""

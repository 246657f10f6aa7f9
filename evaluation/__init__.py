"""How good it is, in numbers.

metrics.py holds plain functions on arrays, held_out_scenes.py scenes that no training sees. `control/` measures how
well a video obeys its conditions, `tools/` how well the tools for camera, masks and depth work.
"""

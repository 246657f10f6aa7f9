"""How good it is, in numbers: metrics.py (plain functions), held_out_scenes.py (scenes that no training sees),
control/ (how well a video obeys its conditions), tools/ (camera, masks and depth tools).
"""

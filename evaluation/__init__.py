"""How good it is, in numbers.

held_out_scenes.py holds scenes that no training sees. `control/` measures how well a video obeys its conditions,
`tools/` how well the tools for camera, masks and depth work, `speed/` how fast the networks are. What looks at a single
video is in `models/estimators`.
"""

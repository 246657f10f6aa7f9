"""What serves the page: its editors, and what nodes show inside themselves.

routes.py answers requests of the mask painter, which propagation.py checks; video_size.py answers those for the size
that widgets follow. stage.py stores the frames that the painter shows, stage_source.py finds them again after a reload,
backdrop.py stores the image and the points behind the camera editor, as files that temporary.py writes and the page
fetches. painter.py draws the painter's state, camera_drop.py reads a file that was dropped on the camera editor.

camera_preview.py, identity_preview.py and depth_preview.py make what their nodes show, token_budget.py the text on the
node Conditions. messages.py wraps an image and a text for a node. live_preview.py knows whether the page wants to see
a clip while it is sampled.
"""

"""What serves the page: its editors, and what nodes show inside themselves.

routes.py answers requests of the mask painter. stage.py stores the frames that the painter shows, backdrop.py the image
and the points behind the camera editor, as files that temporary.py writes and the page fetches. painter.py draws the
painter's state.

camera_preview.py, identity_preview.py and depth_preview.py make what their nodes show, token_budget.py the text on the
node Conditions. messages.py wraps an image and a text for a node.
"""

"""What serves the page: its editors, and what nodes show inside themselves.

routes.py answers requests of the mask painter; stage.py and backdrop.py store the frames and points that editors show,
as files that temporary.py writes and the page fetches; painter.py, camera_preview.py, identity_preview.py and
depth_preview.py make what their nodes show, messages.py wraps an image and a text for a node.
"""

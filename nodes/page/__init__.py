"""What serves the editors in the page: routes.py answers requests, stage.py and backdrop.py store frames and points,
temporary.py writes files that the page fetches, depth_preview.py shows depth in a node.
"""

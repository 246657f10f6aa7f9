"""Images for people: canvas.py is a page to draw on, sheet.py contact sheets and conditions as frames,
camera_plot.py a camera path in space and time, animation.py animated WebP.
"""

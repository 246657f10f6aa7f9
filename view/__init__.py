"""Images for people: sheet.py contact sheets and conditions as frames, path_plot.py a camera path in space,
curve_plot.py its speed over time, plucker_plot.py the rays of its pixels, animation.py animated WebP.

They draw on canvas.py, in the colors of colors.py, with the round numbers of ticks.py on their axes.
"""

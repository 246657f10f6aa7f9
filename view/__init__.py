"""Images for people.

sheet.py makes contact sheets and shows conditions as frames, agreement_sheet.py shows what was asked beside what came
out, comparison.py several clips as one. path_plot.py draws a camera path in space, curve_plot.py its speed over time,
plucker_plot.py the rays of its pixels, sound_plot.py how loud a sound is, loss_plot.py the loss of a training.
animation.py writes animated WebP. They draw on canvas.py, in the colors of colors.py, with the round numbers of
ticks.py on their axes.
"""

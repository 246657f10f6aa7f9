"""How well a video obeys its conditions (`fulldit bench control`, `fulldit gallery`).

judge.py looks at a clip with the estimators, painted_masks.py makes masks as a person paints them, benchmark.py runs
every set of conditions, ratios.py and targets.py say what the figures mean, table.py and card.py write them down,
gallery.py shows scenes.
"""

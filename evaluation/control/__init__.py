"""How well a video obeys its conditions (`fulldit bench control`, `fulldit gallery`).

benchmark.py runs every set of conditions on held-out scenes; ablations.py names the sets that leave one condition out.
judge.py looks at a clip with the estimators, painted_masks.py makes masks as a person paints them. scene_records.py
keeps the figures of every scene while the benchmark runs, so that it can resume; summary.py makes means, errors and
gains of them.

ratios.py relates the figures to the floor, targets.py says which targets are met. table.py writes the result as a
table, card.py puts the table into a model card. gallery.py shows what a checkpoint does with scenes.
"""

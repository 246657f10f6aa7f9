"""How well a video obeys its conditions (`fulldit bench control`, `fulldit gallery`).

benchmark.py runs over held-out scenes, scene_run.py over the sets of conditions of one. painted_masks.py makes masks as
a person paints them; trials.py says how conditions beyond FullDiT's own are tried. scene_records.py keeps the figures
of every scene while the benchmark runs, so that it can resume; summary.py makes means, errors and gains of them,
trial_figures.py those of trials. What looks at the clips is `models/estimators`.

ratios.py relates the figures to the floor, targets.py says which targets are met. table.py and, of trials,
trial_table.py write the result as a table, card.py puts it into a model card. gallery.py shows what a checkpoint does
with scenes.
"""

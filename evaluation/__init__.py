"""How well a video obeys its controls, and pictures that show it.

metrics.py (plain functions), measure.py (the judge: estimators against controls), scenes.py (held-out scenes),
painted.py (masks as a person paints them), bench.py, table.py, card.py (`fulldit bench control`), ratios.py, targets.py
(`fulldit targets`), gallery.py, animation.py (`fulldit gallery`), generate.py (a clip to files with its report),
sheet.py.
camera_bench.py, textured.py (`fulldit bench camera`: cameras found in rendered clips whose camera is known).
"""

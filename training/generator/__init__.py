"""The generator.

train_generator.py trains it by a config (settings.py). start.py has the networks that it begins with. batches.py draws
micro-batches, data.py makes them of encoded clips with their noise, learner.py computes the loss. held_out.py measures
the network on other clips, report.py writes what a run leaves.
"""

"""The generator: train_generator.py trains it by a config (settings.py).

start.py has what it begins with, data.py what it is shown, batches.py how a micro-batch is put together, learner.py
what it learns; held_out.py measures it, report.py writes what a run leaves.
"""

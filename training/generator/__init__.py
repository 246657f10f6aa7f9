"""The generator.

train_generator.py trains it by a config (settings.py). start.py has the networks that it begins with. batches.py draws
micro-batches, data.py makes them of encoded clips with their noise, learner.py computes the loss, distill.py that of a
student that samples in few steps, blend.py keeps what it knew before. held_out.py measures the network on other clips,
report.py writes what a run leaves, page.py its page. cost.py counts operations, dry_run.py computes what a config needs
on devices that are not there.
"""

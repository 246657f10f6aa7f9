"""The estimators that the benchmark measures with.

train_estimators.py trains them by a config (settings.py). estimator_clips.py is the data, tasks.py the batches and
losses, finish.py measures the networks and writes the file.
"""

"""The estimators that the benchmark measures with: train_estimators.py, its data (estimator_clips.py) and losses
(tasks.py).
"""

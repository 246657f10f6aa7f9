"""Tuning a model on one video or a few, by the trainer of the generator.

tune.py makes a run and its file. start.py says which files a run begins with, clips.py which clips it learns,
settings.py what is trained of the model and how.
"""

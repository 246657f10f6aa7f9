"""Filters: what is measured in a clip, and which clips are taken out for it, with the papers' thresholds.

figures.py measures exposure, motion and cuts, hashes.py finds clips that show the same. detectors.py asks what has to
be installed or given: text and aesthetics. thresholds.py says what is kept, filter_work.py is filtering as a work of
the engine, shots.py cuts videos into clips of one shot.
"""

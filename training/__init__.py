"""How it learns: stages.py runs the stages of `fulldit train`; each resumes where it stopped.

`common/` is what all of them share; `vae/`, `generator/` and `estimators/` hold one stage each; `configs/` has a folder
of config files for each of these. `tuning/` is no stage: it tunes what they made on a video or a few.
"""

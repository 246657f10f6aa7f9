"""The model side of the host: base_model.py (model config and BaseModel), network.py (the transformer with hooks),
latent_format.py, clip.py, cond.py, conditioning.py and request.py (conditions on their way), loaders.py, sampling.py,
and the host's folders and progress bar (paths.py, depth_files.py, progress.py).
"""

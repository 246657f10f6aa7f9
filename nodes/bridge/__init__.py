"""The model side of the host: base_model.py (model config and BaseModel), network.py (the transformer with hooks),
latent_format.py, clip.py, cond.py, conditioning.py and request.py (conditions on their way), loaders.py, sampling.py,
paths.py (checkpoint and VAE files) and depth_anything.py.
"""

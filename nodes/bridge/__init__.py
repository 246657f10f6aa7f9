"""The model side of the host.

base_model.py (model config and BaseModel), network.py (the transformer with hooks), latent_format.py, clip.py (the text
encoder as a CLIP), cond.py, conditioning.py and request.py (conditions on their way to the network), sampling.py,
loaders.py (checkpoints as MODEL, CLIP and VAE), paths.py (checkpoint and VAE files in the host's model folders) and
depth_anything.py (Depth Anything V2: its model folders, and its network on the host's device).
"""

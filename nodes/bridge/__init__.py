"""What the host wants in its own shapes: model config, BaseModel, network subclass, latent format, CLIP, VAE, conds.

`model.py` and what it imports need comfy and torch; `request.py` and `arrays.py` need neither comfy nor a network.
"""

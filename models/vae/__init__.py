"""The video autoencoder: Wan 2.1's architecture at any width, whole or chunk by chunk, and its file.

`layers.py` and `network.py` hold the modules, `autoencoder.py` the class that callers use, `latent.py` the fixed
statistics of Wan 2.1 latents, `vae_file.py` the safetensors file and the fingerprint.
"""

from .autoencoder import VAE
from .vae_file import fingerprint, load_vae, save_vae

__all__ = ["VAE", "fingerprint", "load_vae", "save_vae"]

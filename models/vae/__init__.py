"""The video autoencoder: Wan 2.1's architecture at any width, whole or chunk by chunk, and its file.

layers.py holds the layers, network.py the encoder and decoder made of them, autoencoder.py the class that callers use.
latent.py holds the fixed statistics of latents, vae_file.py the safetensors file and the fingerprint.
"""

from .autoencoder import VAE
from .vae_file import fingerprint, load_vae, save_vae

__all__ = ["VAE", "fingerprint", "load_vae", "save_vae"]

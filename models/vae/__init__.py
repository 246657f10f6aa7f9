"""The video autoencoder: Wan 2.1's architecture at any width, whole or chunk by chunk, and its file.

`network.py` holds the modules, `autoencoder.py` the class that callers use, `latent.py` the fixed statistics of Wan 2.1
latents, `file.py` the safetensors file and the fingerprint.
"""

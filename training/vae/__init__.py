"""The autoencoder: train_vae.py, then train_decoder.py; vae_clips.py is its data, initialize.py its start,
activation_limiter.py keeps it stable, quality.py measures it, finish.py writes the file.
"""

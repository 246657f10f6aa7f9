"""The autoencoder: train_vae.py, then train_decoder.py, both by a config (settings.py).

vae_clips.py is the data, initialize.py the start, loss.py what is learned; activation_limiter.py keeps the training
stable, quality.py measures it, finish.py writes the file.
"""

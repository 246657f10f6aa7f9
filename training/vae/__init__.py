"""The autoencoder.

train_vae.py trains it by a config (settings.py), train_decoder.py trains its decoder further. vae_clips.py is the data,
initialize.py the start, loss.py the loss. activation_limiter.py keeps the training stable, quality.py measures the
reconstruction, finish.py writes the file.
"""

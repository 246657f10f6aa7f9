"""The networks, in pure torch: nothing here knows ComfyUI, training or the procedural world.

config.py says what a model is; encode.py turns what the user says into what the network reads; pipeline.py puts all
of it together; devices.py picks device and number format. backbone/ is the transformer, conditioning/ how conditions
become tokens, sampling/ the way from noise to a latent, weights/ files, vae/ turns frames into latents, estimators/
see depth, cameras and identities in a video.
"""

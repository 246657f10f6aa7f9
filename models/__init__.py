"""The networks, in pure torch: nothing here knows ComfyUI, training or the procedural world.

config.py says what a model is, experts.py which two are a pair, geometry.py how a video becomes latent and tokens.
encode.py turns what the user says into what the network reads; pipeline.py puts all of it together, upscale.py asks an
upsampler for a larger video; devices.py picks device and number format.

`backbone/` is the transformer, `conditioning/` how conditions become tokens, `sampling/` the way from noise to a
latent. `vae/` turns frames into latents. `families/` holds configs by name. `weights/` reads and writes files.
`estimators/` see depth, cameras and identities in a video; `rendering/` shows it from other cameras.
"""

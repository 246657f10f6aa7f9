"""The networks, in pure torch: nothing here knows ComfyUI, training or the procedural world.

config.py and streams.py say what a model is and which condition tokens it takes; tokenizers.py, positions.py,
attention.py, blocks.py and transformer.py are the network; conditions.py is what it is given; text.py encodes words;
vae/ turns pictures into latents; checkpoint.py, safefile.py and adapters.py read and write files; flow.py, schedules.py
and sampler.py walk from noise to a latent; pipeline.py puts it all together.
"""

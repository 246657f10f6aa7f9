"""The model side of the host.

loaders.py makes MODEL, CLIP and VAE of checkpoints, which paths.py finds in the host's model folders; attached.py makes
them of a plain Wan with a condition file. base_model.py is the model config and BaseModel, network.py the transformer
with the host's hooks, latent_format.py the latent format, clip.py the text encoder as a CLIP, fast_vae.py the VAE's
convolutions on CPUs. lora.py puts LoRA files of any writer on a MODEL.

video_models.py loads public models through core, families.py says what a MODEL is, tags.py marks those that core takes
for plain Wan, camera_wan.py gives ReCamMaster its camera layers, memory.py counts reference tokens in core's estimate.

conditioning.py encodes conditions and puts them onto a conditioning; cond.py carries them through core's samplers,
story.py texts with times. sampling.py samples through core, step_times.py says how long the rest takes, outlook.py what
memory a step needs. training.py runs the trainer, with the host's progress and cancel.

depth_anything.py finds Depth Anything V2 in the host's model folders and runs it on the host's device. rendering.py
renders along camera paths there, and remembers what it rendered for conditions.
"""

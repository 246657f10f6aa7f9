"""The model side of the host.

loaders.py makes MODEL, CLIP and VAE of checkpoints, which paths.py finds in the host's model folders. base_model.py is
the model config and BaseModel, network.py the transformer with the host's hooks, latent_format.py the latent format,
clip.py the text encoder as a CLIP. lora.py puts LoRA files of any writer on a MODEL.

video_models.py loads public models through core, families.py says what a MODEL is, tags.py marks those that core takes
for plain Wan, camera_wan.py gives ReCamMaster its camera layers, memory.py counts reference tokens in core's estimate.

conditioning.py encodes conditions and puts them onto a conditioning; cond.py carries them through core's samplers.
sampling.py samples through core. depth_anything.py finds Depth Anything V2 in the host's model folders and runs it on
the host's device.
"""

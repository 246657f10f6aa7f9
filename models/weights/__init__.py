"""Files of weights.

tensor_file.py reads and writes safetensors, shards.py finds and reads those in several files, partial.py puts a part
onto the whole, checkpoint.py reads a FullDiT checkpoint. open_weights.py loads open Wan weights into our network:
key_maps.py translates their keys, quantized.py makes plain tensors of those in fp8. lora_keys.py translates the keys of
LoRAs, lora_layers.py puts LoRAs into our network for training. condition_file.py is the small file that makes a FullDiT
of a plain Wan, attach.py puts the two together, weight_sample.py tells one base from another in any number format.
start_points.py makes our network of the open models that a training starts from. convert.py writes whole models for
diffusers and back, diffusers_model.py is the class that they load into there. fingerprint.py names weights by what they
are, downloads.py fetches models from the Hugging Face hub.
"""

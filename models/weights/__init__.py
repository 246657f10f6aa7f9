"""Files of weights.

tensor_file.py reads and writes safetensors, shards.py finds and reads those in several files, checkpoint.py a FullDiT
checkpoint. open_weights.py loads open Wan weights into our network: key_maps.py translates their keys, quantized.py
makes plain tensors of those in fp8. lora_keys.py translates the keys of LoRAs. fingerprint.py names weights by what
they are, downloads.py fetches models from the Hugging Face hub.
"""

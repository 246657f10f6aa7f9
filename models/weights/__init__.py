"""Files of weights.

tensor_file.py reads and writes safetensors, shards.py finds the files that hold one model together, checkpoint.py reads
and writes a FullDiT checkpoint. key_maps.py translates the keys of open Wan weights, fingerprint.py names weights by
what they are, downloads.py fetches models from the Hugging Face hub.
"""

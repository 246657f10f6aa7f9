"""How conditions become tokens.

streams.py is the registry of token streams, condition_streams.py what the network is given, tokenizers.py turns it
into tokens, kv_cache.py holds what the video reads of those, text.py encodes words.
"""

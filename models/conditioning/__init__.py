"""How conditions become tokens.

streams.py is the registry, entries.py the conditions of this package in it; encoder.py makes latents for them,
camera_features.py numbers of a camera path; condition_streams.py is what the network is given, tokenizers.py turns it
into tokens, kv_cache.py holds what the video reads of those; text.py encodes words.
"""

from . import entries as _entries  # noqa: F401  # importing the package registers its conditions

"""How conditions become tokens.

streams.py has the types of token streams, registry.py which conditions become which, entries.py puts the conditions of
this package into it. encoder.py makes their latents, camera_features.py the numbers of a camera path.
condition_streams.py is what the network is given, tokenizers.py turns that into tokens, kv_cache.py holds what the
video reads of them. text.py encodes words.
"""

from . import entries as _entries  # noqa: F401  # importing the package registers its conditions

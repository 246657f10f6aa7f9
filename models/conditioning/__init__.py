"""How conditions become tokens.

streams.py has the types of token streams, registry.py which conditions become which, entries.py puts the conditions of
this package into it. encoder.py makes their latents, camera_features.py the numbers of a camera path.
condition_streams.py is what the network is given, tokenizers.py turns that into tokens, kv_cache.py holds what the
video reads of them, kv_store.py keeps that between steps. text.py encodes words for the miniature, umt5.py for Wan,
timed_text.py gives each latent frame those of its time.
"""

from . import entries as _entries  # noqa: F401  # importing the package registers its conditions

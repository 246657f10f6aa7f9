"""All conditions of a video in one folder that other programs can read, and back without losing a bit.

write.py makes the folder and its manifest, read.py makes conditions of it. frame_files.py keeps frames as images that
are exact, or as an array beside them where images cannot be. manifest.py names the files and checks what comes back.
"""

from .read import is_bundle, read_bundle
from .write import BundleOptions, write_bundle

__all__ = ["BundleOptions", "is_bundle", "read_bundle", "write_bundle"]

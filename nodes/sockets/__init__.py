"""Types of core and of other packs, in and out.

types.py names the sockets and their values, arrays.py converts tensors. cameras.py converts cameras, geometry.py reads
DA3 and MoGe geometry, sam3.py SAM 3's masks, meta_batch.py serves the Meta Batch Manager. camera_files.py reads and
writes camera files, assets.py reads the files of assets, references.py crops images by masks. depth_sources.py makes
raw depth of every source of Extract Depth, depth_clip.py a clip of it.
"""

"""Types of core and of other packs, in and out.

types.py names the sockets and their values, arrays.py converts tensors. cameras.py, geometry.py, sam3.py and
meta_batch.py read and write the values of other nodes, camera_files.py and assets.py those of files, references.py
crops images by masks. depth_sources.py makes raw depth of every source of Extract Depth, depth_clip.py a clip of it.
"""

"""Types of core and of other packs, in and out: types.py names the sockets, arrays.py converts tensors, cameras.py,
geometry.py, sam3.py and meta_batch.py read what other nodes give, depth_sources.py and depth_clip.py make depth of
it.
"""

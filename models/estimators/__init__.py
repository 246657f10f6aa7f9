"""Small networks that look at a finished clip and estimate depth, objects, identities and the path of the camera.

perception.py (depth, object mask, features of an image), identity.py (does this region show that reference?), camera.py
with motion.py (optical flow) the path of the camera, layers.py their blocks, estimators_file.py one safetensors file
for all three. They judge videos and take no part in making them; they look at 64x96, other sizes are resized first.

depth.py estimates the depth of a video with them; depth_anything.py does with Depth Anything V2, which
depth_anything_download.py names on the hub and depth_anything_keys.py reads under its authors' names. frames.py checks
the frames for both.
"""

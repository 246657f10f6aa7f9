"""Small networks that look at a finished clip and estimate depth, objects, identities and the path of the camera.

perception.py estimates depth, object mask and features of an image. identity.py says whether a region shows a
reference. camera.py estimates the path of the camera, with the optical flow of motion.py. layers.py holds their blocks,
estimators_file.py the one safetensors file for all three. They judge videos and take no part in making them; they look
at 64x96, other sizes are resized first.

depth.py estimates the depth of a video with perception.py; depth_anything.py does so with Depth Anything V2, which
depth_anything_download.py names on the hub and depth_anything_keys.py reads under its authors' names. frames.py checks
the frames for both.
"""

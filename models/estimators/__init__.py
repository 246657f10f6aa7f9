"""Small networks that look at a finished clip and say what they see: depth, objects, who is where, how the camera went.

perception.py (depth, object mask, features of an image), identity.py (does this region show that reference?),
camera.py and motion.py (the path of the camera), file.py (one safetensors file for all three). They judge videos and
take no part in making them. Everything works at 64x96; other sizes are resized on the way in.
"""

"""What a clip lacks, estimated: camera, depth and masks by the estimators of this pack or installed ones, captions by a
vision-language model.

camera.py, depth.py and masks.py hold the estimators of each, geometry_models.py asks MoGe and Depth Anything 3 where
they are installed. captions.py says what a caption is (MiraData's) and makes sure that it is one; endpoint.py asks a
server with OpenAI's interface, local_model.py a model of transformers. annotate_work.py is all of that as a work of the
engine.
"""

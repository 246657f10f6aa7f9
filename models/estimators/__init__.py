"""Small networks that look at a finished clip and estimate depth, objects, identities and the path of the camera.

perception.py estimates depth, object mask and features of an image. identity.py says whether a region shows a
reference. camera.py estimates the path of the camera, with the optical flow of motion.py. layers.py holds their blocks,
estimators_file.py the one safetensors file for all three. They judge videos and take no part in making them; they look
at 64x96, other sizes are resized first.

judge.py looks at a clip with all of them and says, with the formulas of metrics.py, how far it is from the conditions;
control_error.py looks for control videos in it again, region_error.py for those that need the estimator's depth and
objects; scene_likeness.py says whether two clips show the same scene, sound_match.py whether one moves to its sound.
agreement.py makes a report (agreement_report.py) of that, and of what other tools found in a video.

depth.py estimates the depth of a video with perception.py; depth_anything.py does so with Depth Anything V2, which
depth_anything_download.py names on the hub and depth_anything_keys.py reads under its authors' names. frames.py checks
the frames for both.
"""

"""What a training reads: latents.py is encoded clips on disk, text_rows.py their captions, loss_weights.py what an
error in them counts, motion_range.py the camera movement in them.
"""

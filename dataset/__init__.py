"""What a training reads: latents.py is encoded clips on disk, motion_range.py the camera movement in them."""

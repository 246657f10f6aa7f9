"""What a training reads.

latents.py stores encoded clips on disk, text_rows.py their captions. loss_weights.py is what an error in a latent
counts. motion_range.py measures the camera movement in the clips.
"""

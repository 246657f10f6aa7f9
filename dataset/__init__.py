"""Datasets: what people have, what training reads, and the way between them.

manifest.py is one JSON line a clip (json_fields.py reads such objects strictly); `readers/` makes manifests of public
datasets and plain folders, clip_files.py reads what a line names.

`filters/` says which clips are good enough,
`annotate/` estimates what they lack.

`engine/` does a work on every clip of a manifest, here or on Ray. clip_conditions.py fits a clip to a model's size with
the conditions that it has, encode_clip.py encodes it, encode_work.py is that as a work of the engine, with
text_states.py for the captions of models that read a text encoder's states. hold_out.py says which clips are kept to
measure a training on.

clip_source.py is what training sees of encoded clips, open_clips.py opens a folder of them: of `shards/` (WebDataset),
or of latents.py, which renders and encodes the procedural world; text_rows.py keeps their captions. loss_weights.py is
what an error in a latent counts. motion_range.py measures the camera movement in the clips.
"""

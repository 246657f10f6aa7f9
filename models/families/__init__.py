"""What a file or MODEL is, and what it takes.

family.py says what a family of public models is (plain data). matrix.py is the table of all families: driven.py and
driven_camera.py hold those that this pack drives, undriven.py those that it only recognizes, model_files.py the files
to download, distilled.py how a model is sampled with a step-distilled LoRA. notes.py says what becomes of each
condition in a family. detect.py says what a file is, by the rules of rules.py and with the number formats of
quantization.py. about.py says in lines what a model takes and needs, document.py writes `docs/models.md`. presets.py
holds the configs that a training starts from, by name.
"""

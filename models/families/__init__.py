"""What a file or MODEL is, and what it takes.

family.py says what a family of public models is (plain data), supports.py what several of them share. matrix.py is the
table of all families: driven.py, driven_camera.py and driven_fulldit.py hold those that this pack drives, undriven.py
those that it only recognizes, model_files.py the files to download, distilled.py how a model is sampled with a
step-distilled LoRA.
notes.py says what becomes of each condition in a family, by_rendering.py the same for a camera that it follows by
rendering. detect.py says what a file is, by the rules of rules.py and with the number formats of quantization.py;
pickled.py says it of a pickle, which is never opened, by its name. about.py says in lines what a model takes and needs,
document.py writes `docs/models.md`, with the figures of memory.py. presets.py holds the configs that a training starts
from, by name.
"""

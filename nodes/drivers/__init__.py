"""How one set of conditions drives each family of models, through core's samplers.

run.py is the road from a MODEL and conditions to a latent. plan.py says what a driver is asked and what it gives,
registry.py finds the driver of a MODEL, prompts.py encodes what a node was told, guider.py runs a plan's passes and
adds them up, experts.py switches between two networks in one run. compare.py makes the same clip with each condition
taken away, and clip_cache.py keeps those. upscale.py runs an upsampler.

One file per family: fulldit.py (this pack's checkpoints), wan.py (plain Wan, and the depth control LoRA), phantom.py,
bernini.py, vace.py, recammaster.py, omnicamera.py, scail.py (SCAIL-2) and fun.py (Fun Camera and Fun Control). What
they share: common.py (latent, schedule, guidance over two passes), prepare.py (conditions as images), one_control.py
(models that read one control video at a time), rendered.py (a camera that is followed by rendering), spans.py (ranges
of conditions), strengths.py (strengths where a family has fewer scales), windows.py (context windows that keep VACE's
reference slot), uni3c.py (a render that follows the video alone).
"""

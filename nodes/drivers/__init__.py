"""How one set of conditions drives each family of models, through core's samplers.

run.py is the road from a MODEL and conditions to a latent. plan.py says what a driver is asked and what it gives,
registry.py finds the driver of a MODEL, guider.py runs a plan's passes and adds them up, experts.py switches between
two networks in one run.

One file per family: fulldit.py (this pack's checkpoints), wan.py (plain Wan, and the depth control LoRA), phantom.py,
bernini.py, vace.py, recammaster.py and fun.py (Fun Camera and Fun Control). What they share: common.py (latent,
schedule, guidance over two passes), prepare.py (conditions as images), spans.py (ranges of conditions), strengths.py
(strengths where a family has fewer scales), windows.py (context windows that keep VACE's reference slot), uni3c.py (a
render that follows the video alone).
"""

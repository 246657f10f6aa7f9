"""How a good clip is made a bad one of fewer pixels: pairs of both teach an upsampler.

kernels.py has the blurs, codecs.py what compression does to a clip, second_order.py draws and does all of it, twice
(Real-ESRGAN, arXiv 2107.10833).
"""

from .second_order import Degradations, degrade

__all__ = ["Degradations", "degrade"]

"""`python -m comfyui_fulldit.cli`: the command where it is not on the path, and under torchrun (`torchrun -m ...`)."""

from __future__ import annotations

import sys

from . import main

sys.exit(main())

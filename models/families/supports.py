"""What several families share: what they say of a condition, and how much memory their sizes need."""

from __future__ import annotations

from .family import Support

# What start and end do, unless a family says otherwise.
SPAN = "It takes part from start to end of the sampling; outside of that the model does not see it."
ON_OR_OFF = "Only 0 (without) and 1 (with): the model knows nothing in between, so other values count as 1."
# The same, of a camera that is followed by rendering.
RENDERED_SPAN = (
    "The render takes part from the camera's start to its end; those of the source video and the depth do not count."
)
SMALL = "about 8 GB"
LARGE = "about 24 GB with 8-bit weights"

NO_KNOWN = Support("refused", "It takes no frames that are known already.")
NO_CONTROL = Support("refused", "It takes no control videos.")

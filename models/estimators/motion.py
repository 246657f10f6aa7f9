"""Optical flow between neighboring frames by DIS (Kroeger et al. 2016, in OpenCV): no weights, a few milliseconds."""

from __future__ import annotations

import numpy as np

from ...control.libraries import opencv


def dis_flow(frames: np.ndarray, enlarge: int = 2) -> np.ndarray:
    """Return the optical flow (F - 1, H, W, 2) from each of frames (F, H, W, 3) in [0, 1] to the next.

    It is in pixels, x then y. DIS matches patches of 8 pixels, which are large in a miniature: the frames are made
    `enlarge` times larger first. Raises UserError where OpenCV is missing.
    """
    cv2 = opencv("measuring motion")
    height, width = frames.shape[1:3]
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    gray = []
    for frame in frames:
        image = cv2.cvtColor((np.clip(frame, 0, 1) * 255).round().astype(np.uint8), cv2.COLOR_RGB2GRAY)
        if enlarge > 1:
            image = cv2.resize(image, (width * enlarge, height * enlarge), interpolation=cv2.INTER_CUBIC)
        gray.append(image)
    flows = np.zeros((len(frames) - 1, height, width, 2), np.float32)
    for index, (before, after) in enumerate(zip(gray[:-1], gray[1:], strict=True)):
        if min(before.shape) < 16:
            continue  # nothing to match in an image smaller than two patches
        flow = method.calc(before, after, None)
        flows[index] = cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA) / enlarge
    return flows

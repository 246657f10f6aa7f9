"""Optional libraries: imported where they are used; where one is missing, a sentence says what to install."""

from __future__ import annotations

from typing import Any

from .errors import need


def opencv(purpose: str) -> Any:
    """Return the cv2 module. Raises UserError, which names the purpose, where OpenCV is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise need("opencv-python-headless", purpose) from error
    return cv2


def ndimage(purpose: str) -> Any:
    """Return scipy's ndimage module. Raises UserError, which names the purpose, where SciPy is not installed."""
    try:
        from scipy import ndimage
    except ImportError as error:
        raise need("scipy", purpose) from error
    return ndimage


def pyav() -> Any:
    """Return the av module. Raises UserError where PyAV is not installed."""
    try:
        import av
    except ImportError as error:
        raise need("av", "reading and writing videos") from error
    return av

"""Optional libraries: imported where they are used; where one is missing, a sentence says what to install."""

from __future__ import annotations

from typing import Any

from .errors import need


def opencv(what: str) -> Any:
    """The cv2 module. what: what it is needed for, for the UserError where it is missing."""
    try:
        import cv2
    except ImportError as error:
        raise need("opencv-python-headless", what) from error
    return cv2

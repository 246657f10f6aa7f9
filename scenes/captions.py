"""Sentences about a scene. The caption names colors, shapes, the place and the camera; the plain caption names no
color, no place and no camera movement, so that these must come from the other controls."""

from __future__ import annotations

from .scene_object import SceneObject
from .world import SceneSpec

_MOTION_VERBS = {"slide": "slides", "spin": "spins", "bounce": "bounces", "circle": "circles", "hop": "hops"}


def _noun_phrase(item: SceneObject, with_colors: bool) -> str:
    words = f"{item.pattern} {item.solid}"
    if with_colors:
        words = f"{item.colors[0]} and {item.colors[1]} {words}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _sentence(scene: SceneSpec, with_colors: bool) -> str:
    place = f" {scene.surroundings.place.name}" if with_colors else ""
    if not scene.objects:
        return f"An empty scene{place}."
    phrases = []
    for item in scene.objects:
        verb = item.gait or _MOTION_VERBS.get(item.motion)
        phrases.append(_noun_phrase(item, with_colors) + (f" that {verb}" if verb else ""))
    text = phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]
    return text[0].upper() + text[1:] + place + "."


def caption(scene: SceneSpec) -> str:
    """Return the sentences that name everything."""
    return f"{_sentence(scene, with_colors=True)} {scene.camera.caption}"


def plain_caption(scene: SceneSpec) -> str:
    """Return the sentence without colors, place and camera movement."""
    return _sentence(scene, with_colors=False)

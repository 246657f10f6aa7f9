"""Sentences about a scene. The caption names colors, shapes, the place and the camera; the plain caption names no
color, no place and no camera movement, so that these must come from the other controls."""

from __future__ import annotations

from .world import SceneSpec, Thing

_COUNT = {"slide": "slides", "spin": "spins", "bounce": "bounces", "circle": "circles"}


def _noun(thing: Thing, colors: bool) -> str:
    first, second = thing.colors
    words = f"{first} and {second} {thing.pattern} {thing.solid}" if colors else f"{thing.pattern} {thing.solid}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _sentence(scene: SceneSpec, colors: bool) -> str:
    where = f" {scene.surroundings.place.name}" if colors else ""
    if not scene.things:
        return f"An empty scene{where}."
    parts = []
    for thing in scene.things:
        verb = _COUNT.get(thing.motion)
        parts.append(_noun(thing, colors) + (f" that {verb}" if verb else ""))
    text = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    return text[0].upper() + text[1:] + where + "."


def caption(scene: SceneSpec) -> str:
    return f"{_sentence(scene, colors=True)} {scene.camera.words}"


def plain_caption(scene: SceneSpec) -> str:
    return _sentence(scene, colors=False)

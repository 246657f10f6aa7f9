"""Export Blender's camera as a path for FullDiT.

In Blender: the Scripting tab, open this file, press Run. It writes `camera_fulldit.json` beside the .blend file: the
active camera at every frame of the scene, with its lens, zooms included. Or without Blender's window:

    blender --background scene.blend --python blender_camera.py -- camera_fulldit.json

The file goes into ComfyUI's input folder, for Load Camera File (FullDiT), or to `fulldit generate --camera`. Lengths
are meters; Load Camera File's `scale` (or an object at distance 1 in Blender) makes them what the model expects.
"""

from __future__ import annotations

import json
import math
import os
import sys

# Camera axes: Blender's x right, y up, z backward to OpenCV's x right, y down, z forward. World axes: Blender's
# x right, y forward, z up to x right, y down, z forward. Both as rows.
OPENCV_FROM_BLENDER_CAMERA = ((1, 0, 0), (0, -1, 0), (0, 0, -1))
OPENCV_FROM_BLENDER_WORLD = ((1, 0, 0), (0, 0, -1), (0, 1, 0))


def multiply(first, second):
    """Return the product of two 3x3 matrices."""
    return [[sum(first[i][k] * second[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def camera_to_world(matrix_world):
    """Return camera-to-world (3 rows of 4) in OpenCV axes of a camera's `matrix_world`, without its scale."""
    world = OPENCV_FROM_BLENDER_WORLD
    location, quaternion, _ = matrix_world.decompose()
    blender_rotation = [list(row) for row in quaternion.to_matrix()]
    rotation = multiply(multiply(world, blender_rotation), OPENCV_FROM_BLENDER_CAMERA)
    position = [sum(world[i][k] * location[k] for k in range(3)) for i in range(3)]
    return [[*rotation[i], position[i]] for i in range(3)]


def intrinsics(camera, render):
    """Return fx fy cx cy, normalized by width and height of the image, of a perspective camera."""
    if camera.type != "PERSP":
        raise ValueError(f"the camera '{camera.name}' is of type {camera.type}; a perspective camera is needed")
    width, height = render.resolution_x * render.pixel_aspect_x, render.resolution_y * render.pixel_aspect_y
    vertical = camera.sensor_fit == "VERTICAL" or (camera.sensor_fit == "AUTO" and height > width)
    film = camera.sensor_height if camera.sensor_fit == "VERTICAL" else camera.sensor_width
    side = height if vertical else width
    focal = camera.lens / film * side
    # Shifts are shares of the side to which the sensor is fitted; a shift up moves the content of the image down.
    return [
        focal / width,
        focal / height,
        0.5 - camera.shift_x * side / width,
        0.5 + camera.shift_y * side / height,
    ]


def export(scene, path):
    """Write the active camera of every frame of the scene to a file; return the number of frames."""
    import bpy

    if scene.camera is None:
        raise ValueError("the scene has no active camera")
    current_frame = scene.frame_current
    frames = []
    for number in range(scene.frame_start, scene.frame_end + 1, scene.frame_step):
        scene.frame_set(number)
        # Markers may switch cameras, and modifiers move them: the evaluated one counts.
        camera = scene.camera.evaluated_get(bpy.context.evaluated_depsgraph_get())
        frames.append(
            {"c2w": camera_to_world(camera.matrix_world), "intrinsics": intrinsics(camera.data, scene.render)}
        )
    scene.frame_set(current_frame)
    render = scene.render
    value = {
        "format": "fulldit-camera",
        "version": 1,
        "axes": "OpenCV: x right, y down, z forward; c2w = camera to world",
        "unit": "metre",
        "fps": render.fps / render.fps_base / scene.frame_step,
        "pixel_aspect": render.pixel_aspect_x / render.pixel_aspect_y,
        "frames": frames,
    }
    if not all(math.isfinite(x) for frame in frames for row in frame["c2w"] for x in row):
        raise ValueError("the camera's matrix holds NaN: is its scale 0?")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
    return len(frames)


def main():
    """Export the open scene."""
    import bpy

    arguments = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    path = arguments[0] if arguments else bpy.path.abspath("//camera_fulldit.json")
    if not arguments and not bpy.data.filepath:
        path = os.path.join(os.path.expanduser("~"), "camera_fulldit.json")
    print(f"{export(bpy.context.scene, path)} frames written to {path}")


if __name__ == "__main__":
    main()

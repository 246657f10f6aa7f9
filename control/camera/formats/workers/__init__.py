"""Scripts that read a file with another program's library in a process of their own: fbx.py (ufbx), usd.py (usd-core).

Such libraries are compiled code that a damaged file may crash or fill with memory; that must not end ComfyUI. Each
script takes a path and the place of a camera, prints one JSON object and imports nothing of this package but limits.py
(bounds on memory and time, the printed answer): it is started by its file name.
"""

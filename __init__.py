"""ComfyUI-FullDiT: camera, identities and depth as tokens of one sequence with the video."""

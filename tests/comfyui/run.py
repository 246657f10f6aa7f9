"""`make test-comfyui`: run the tests of this folder with the Python of a real ComfyUI.

COMFYUI_PATH says where it is (default ~/ComfyUI), COMFYUI_PYTHON which Python runs it (default: the one in its .venv or
venv, else this one). Further arguments go to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def find_python(comfyui: Path) -> str:
    """The Python that ComfyUI is installed for."""
    given = os.environ.get("COMFYUI_PYTHON")
    places = [comfyui / ".venv", comfyui / "venv", comfyui.parent / "python_embeded", comfyui.parent / ".venv"]
    names = ("bin/python", "Scripts/python.exe", "python.exe")
    found = [str(place / name) for place in places for name in names if (place / name).is_file()]
    return given or (found[0] if found else sys.executable)


def main() -> int:
    """Exit code of pytest, or 2 with one line where something is missing."""
    comfyui = Path(os.environ.get("COMFYUI_PATH") or "~/ComfyUI").expanduser().resolve()
    if not (comfyui / "main.py").is_file():
        print(f"There is no ComfyUI at {comfyui}. Set COMFYUI_PATH to the folder of its main.py.", file=sys.stderr)
        return 2
    python = find_python(comfyui)
    needed = {"pytest": "pytest", "playwright": "playwright"}
    code = f"import importlib.util as u; print(*[p for m, p in {needed!r}.items() if u.find_spec(m) is None])"
    asked = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if asked.returncode != 0 or asked.stdout.strip():
        missing = asked.stdout.strip() or "pytest playwright"
        print(f"The tests need {missing} in ComfyUI's Python: {python} -m pip install {missing}", file=sys.stderr)
        return 2
    environment = {**os.environ, "COMFYUI_PATH": str(comfyui), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-m", "pytest", "tests/comfyui", "-m", "comfyui", "-p", "no:cacheprovider", *sys.argv[1:]]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

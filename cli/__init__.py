"""The `fulldit` command: parses, calls, prints. The work is in the rooms it calls.

__main__.py runs it as a module. parser.py defines the commands and their options, checks.py what is refused of them
before any work. commands.py holds the function of each command, options.py reads what conditions they are given.
generate.py makes a clip and its report, long_clip.py one by windows, key_frames.py one in two levels, upscale.py a
larger one, clock.py takes the time, videos.py judges and fits finished videos and keeps conditions in a folder.
models.py says which model takes which control, what a file is, and fetches files. tune.py tunes a model. dataset.py
makes, filters, annotates and encodes datasets, with the options of dataset_parser.py; bench_parser.py has those of what
is measured. doctor.py reports what works on this machine.

Exit codes: 0 done, 2 for something the user can mend (one line says what), 130 for Ctrl-C.
"""

from __future__ import annotations

import io
import json
import sys
import warnings

from ..control.errors import UserError
from .checks import check_options
from .parser import build_parser

__all__ = ["build_parser", "main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be in another encoding than the terminal
    args = build_parser().parse_args(arguments)
    warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
    try:
        check_options(args)
        result = args.work(args)
    except (UserError, OSError) as error:
        if isinstance(error, OSError):  # a disk that is full, a name that is too long, a folder that was taken away
            error = UserError(f"'{error.filename}' cannot be used ({error.strerror}): choose another file or folder")
        print(f"fulldit: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fulldit: stopped", file=sys.stderr)
        return 130
    if args.json is True:
        print(json.dumps(result, indent=2))
    elif args.show is not None:
        args.show(args, result)
    return 0

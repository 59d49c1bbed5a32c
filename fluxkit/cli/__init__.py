"""The command line. It needs click, which comes with the extra ``cli``; no other part of fluxkit imports it."""

import gc
import os
import sys

#: After how many new objects Python looks for garbage, and after how many while a command starts: what it loads stays,
#: and to look it through again and again takes a tenth of the start.
USUAL, STARTING = gc.get_threshold(), (100_000, 10, 10)


def main() -> int:
    """Runs ``fluxkit`` with the arguments of this process and returns its exit code, one of ``output.Code``."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # it was closed; the next file that is opened must not take its number
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - until the process ends
    gc.set_threshold(*STARTING)
    try:
        return _main()
    finally:
        gc.set_threshold(*USUAL)


def _main() -> int:
    try:
        from .program import fluxkit
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write(
            "error: the command line needs click, which is not installed\nInstall it: pip install 'fluxkit-py[cli]'\n"
        )
        return 2
    try:
        code: int = fluxkit.main(standalone_mode=False)
    except KeyboardInterrupt:  # a second Ctrl-C, while the first one is still being reported
        return 130
    return code

"""The command line. It needs click, which comes with the extra ``cli``; no other part of fluxkit imports it."""

import sys


def main() -> int:
    """Runs ``fluxkit`` with the arguments of this process and returns its exit code, one of ``output.Code``."""
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

"""The command line for a program that has started it and that it must not outlive: `python -m MedSegDLLib.with_caller …`.

Its standard input is a pipe of the caller's, in which nothing is ever written. When that ends, because the caller did, by
whatever means, the command is asked to stop as by SIGTERM: it ends within one patch (on Windows at once).
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from MedSegDLLib.__main__ import main


def _stop_with_caller() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_stop_with_caller, daemon=True).start()
    sys.exit(main())

"""As PythonSlicer: starts the real program, which gets its pipes, and hands no signal on.

`python stub_launcher.py [--session] PROGRAM …`; with --session the program is in another process group, too.
"""

import subprocess
import sys

own_session = sys.argv[1] == "--session"
status = subprocess.call(sys.argv[2:] if own_session else sys.argv[1:], start_new_session=own_session)
sys.exit(status if status >= 0 else 1)

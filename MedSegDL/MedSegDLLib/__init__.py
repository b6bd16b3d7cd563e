"""The MedSegDL engine: medical volumes in, named segmentations out.

Pure Python: never imports slicer, qt, ctk or vtk. Importing this package imports nothing heavy.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 (pip would not install it, but Slicer 5.8 loads any folder that it is given)
    raise ImportError(
        f"MedSegDL needs Python 3.10 or later, which Slicer 5.10 and later bring; this is Python {sys.version.split()[0]}."
    )

__version__ = "0.1.0"

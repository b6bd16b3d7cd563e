"""The MedSegDL engine: medical volumes in, named segmentations out.

Pure Python: never imports slicer, qt, ctk or vtk. Importing this package imports nothing heavy.
"""

__version__ = "0.1.0"

"""Slicer's own Python as a program of its own."""

from __future__ import annotations

import os
import shutil

from MedSegDLScene.interpreter import Interpreter, this_interpreter, with_packages


def slicerInterpreter() -> Interpreter:
    """PythonSlicer, which has what Slicer installs; outside of the application, the Python that runs this.

    The application sets SLICER_HOME and puts PythonSlicer on PATH. PythonSlicer needs the application's whole environment.
    """
    command = shutil.which("PythonSlicer") if "SLICER_HOME" in os.environ else None
    return Interpreter((command,), with_packages(os.environ)) if command else this_interpreter()

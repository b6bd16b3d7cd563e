"""What pyproject.toml cannot say: models_zoo, with whatever models it holds, goes into share/medsegdl."""

from pathlib import Path

from setuptools import setup

ZOO_FILES = sorted(file for file in Path("models_zoo").rglob("*") if file.is_file())

setup(data_files=[(f"share/medsegdl/{file.parent.as_posix()}", [file.as_posix()]) for file in ZOO_FILES])

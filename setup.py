"""What pyproject.toml cannot say: models_zoo, with whatever models it holds, goes into share/medsegdl."""

from pathlib import Path

from setuptools import setup

ZOO_FOLDERS = [Path("models_zoo"), *sorted(folder for folder in Path("models_zoo").iterdir() if folder.is_dir())]

setup(
    data_files=[
        (f"share/medsegdl/{folder.as_posix()}", [str(file) for file in sorted(folder.iterdir()) if file.is_file()])
        for folder in ZOO_FOLDERS
    ]
)

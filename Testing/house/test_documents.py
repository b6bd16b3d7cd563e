"""README and CONTRIBUTING name only what exists: files, options of the command line, tables, targets of make."""

from __future__ import annotations

import argparse
import re
from importlib import import_module
from pathlib import Path

import pytest

from MedSegDLLib.__main__ import SUBCOMMANDS

ROOT = Path(__file__).parents[2]
OF_SLICER = ["--no-main-window", "--python-script", "--slicer-database"]  # the last one is MedSegDLBatch.py's
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text_of(document))
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_files_exist(document):
    """Paths in backticks that begin with a folder of the repository and hold no <placeholder>."""
    paths = re.findall(r"`((?:MedSegDL|MedSegDLTrain|Testing|Resources|models_zoo)/[\w./]+)`", text_of(document))
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_make_targets_exist(document):
    targets = set(re.findall(r"^(\w+):", text_of("Makefile"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b(?=`|\s+#|$)", text_of(document), re.MULTILINE)) <= targets


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """Those of the parser and of its subcommands."""
    options = {option for action in parser._actions for option in action.option_strings}
    below = [action.choices.values() for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return options.union(*(_options(subparser) for parsers in below for subparser in parsers))


def test_readme_names_the_options_that_there_are():
    known = {"--debug", *OF_SLICER}
    for module, _ in SUBCOMMANDS.values():
        parser = argparse.ArgumentParser()
        import_module(module).add_arguments(parser)
        known |= _options(parser)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text_of("README.md")))
    assert named <= known
    assert known - named <= {"-h", "--help"}, "an option that the README does not explain"

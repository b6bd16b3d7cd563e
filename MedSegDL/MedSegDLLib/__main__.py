"""The command line: `medsegdl SUBCOMMAND …`, or `python -m MedSegDLLib SUBCOMMAND …`.

Exit status: 0; 2 for bad usage or input; 3 for too little memory or a failed device; 130 after Ctrl-C; 1 for a fault of
the program itself.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

from MedSegDLLib import __version__
from MedSegDLLib.failures import exit_code_of, tell

# Modules as text, so that only the one that is called is imported; each has add_arguments(parser) and run(arguments).
SUBCOMMANDS = {
    "segment": ("MedSegDLLib.commands.segment", "segment images with a model"),
    "batch": ("MedSegDLLib.commands.batch", "segment every image of a folder or DICOM database"),
    "info": ("MedSegDLLib.commands.info", "say what an image file or DICOM folder holds"),
    "evaluate": ("MedSegDLLib.commands.evaluate", "compare a segmentation with a reference"),
    "models": ("MedSegDLLib.commands.models", "list, show, verify, import, export and download models"),
    "cases": ("MedSegDLTrainLib.commands.cases", "add, list, check and remove the cases of a case folder"),
    "train": ("MedSegDLTrainLib.commands.train", "plan, run, watch, report and publish a training"),
    "crossval": ("MedSegDLTrainLib.commands.crossval", "train once for each fold of the patients"),
    "search": ("MedSegDLTrainLib.commands.search", "look for better numbers of a job at random"),
    "learning-curve": ("MedSegDLTrainLib.commands.learning_curve", "see what more cases would gain"),
}

_DEBUG = "--debug"
_NOBODY_READS = 141  # as shells say of a program that ended by SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status; every error is one sentence on stderr."""
    debug = False
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # consoles that know no arrow show a question mark
    try:
        chosen = _parser().parse_args(argv)
        module = import_module(SUBCOMMANDS[chosen.subcommand][0])
        debug = _DEBUG in chosen.arguments  # wherever it stands, also behind a subcommand's own subcommand
        rest = [argument for argument in chosen.arguments if argument != _DEBUG]
        rest = module.with_action(rest) if hasattr(module, "with_action") else rest  # `train JOB.json` lacks the action
        arguments = _subparser(chosen.subcommand, module).parse_args(rest)
        arguments.debug = debug
        status = module.run(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever reads what is printed, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains at its end, too
        return _NOBODY_READS
    except SystemExit as usage:  # argparse has said what is wrong, or --help what there is
        return int(usage.code or 0)
    except (Exception, KeyboardInterrupt) as error:
        tell(error, debug)
        return exit_code_of(error)


def _parser() -> argparse.ArgumentParser:
    table = "\n".join(f"  {name:<16}{about}" for name, (_, about) in SUBCOMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="medsegdl",
        description="Segment medical volumes with small, really trained networks.",
        epilog=f"subcommands:\n{table}\n\n'medsegdl SUBCOMMAND --help' says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"medsegdl {__version__}")
    parser.add_argument("subcommand", metavar="SUBCOMMAND", choices=SUBCOMMANDS)
    parser.add_argument("arguments", metavar="…", nargs=argparse.REMAINDER)
    return parser


def _subparser(name: str, module: object) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"medsegdl {name}", description=module.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    module.add_arguments(parser)
    parser.add_argument(_DEBUG, action="store_true", help="show the program's traceback of an error")
    return parser


if __name__ == "__main__":
    sys.exit(main())

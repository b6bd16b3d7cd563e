"""Subcommands of the command line that train."""

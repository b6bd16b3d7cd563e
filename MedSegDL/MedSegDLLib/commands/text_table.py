"""Rows of text as a table for a terminal (standard library only)."""

from __future__ import annotations

from collections.abc import Sequence


def text_table(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns as wide as their widest cell, two blanks apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def plural(count: int, noun: str) -> str:
    """ "1 case", "2 cases"; for nouns that take an s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"

"""A report's page: one HTML file with its pictures inside, for light and dark screens and for paper."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from MedSegDLLib.atomic import written_beside
from MedSegDLTrainLib.reporting.charts import DARK, LIGHT, Theme

_DPI = 150
_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1d232a; --faint: #5c6672; --line: #dfe4e9; --card: #f5f7f9;
  --main: #2463c9; --warn: #8a4b00; --warn-paper: #fff4e2; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #171c22; --ink: #e4e8ec; --faint: #98a2ae;
  --line: #2c343d; --card: #1f262e; --main: #6ea8fe; --warn: #f5c07a; --warn-paper: #33281a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.8rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.6rem 0 .6rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); font-size: 1.25rem; }
p { margin: .5rem 0; }
.lead { color: var(--faint); font-size: 1.05rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.4rem 0; }
.tile { padding: .8rem 1rem; border: 1px solid var(--line); border-radius: .6rem; background: var(--card); }
.tile b { display: block; font-size: 1.45rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { color: var(--faint); font-size: .86rem; }
.note { padding: .7rem 1rem; border-left: .25rem solid var(--warn); border-radius: .3rem; background: var(--warn-paper);
  color: var(--warn); }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--faint); font-weight: 600; }
td { overflow-wrap: anywhere; }
td.number, th.number { text-align: right; white-space: nowrap; }
table.facts th { width: 13rem; font-weight: 400; }
@media (max-width: 36rem) { table.facts th { width: 9rem; overflow-wrap: anywhere; } }
figure { margin: 1.1rem 0; }
figure img { display: block; max-width: 100%; height: auto; border-radius: .4rem; }
figcaption, .small { margin-top: .4rem; color: var(--faint); font-size: .88rem; }
footer { margin-top: 3rem; color: var(--faint); font-size: .85rem; }
@page { margin: 16mm 14mm; }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } h2 { break-after: avoid; }
  figure, tr, .tile, .note { break-inside: avoid; } .tile, .note { print-color-adjust: exact; } }
"""


class Pictures:
    """Writes a report's pictures as PNG into `folder`, and gives them as HTML with the same pictures inside."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def chart(self, name: str, draw: Callable[[Theme], Figure], caption: str) -> str:
        """A chart in two colourings; the file has the light one."""
        figure = draw(LIGHT)
        light = _image(self._written(name, figure), figure, caption)
        dark = f'<source media="screen and (prefers-color-scheme: dark)" srcset="{_data(_png(draw(DARK)))}">'
        return _figure(f"<picture>{dark}{light}</picture>", caption)

    def picture(self, name: str, figure: Figure, caption: str) -> str:
        """A picture that looks the same in light and dark."""
        return _figure(_image(self._written(name, figure), figure, caption), caption)

    def _written(self, name: str, figure: Figure) -> bytes:
        content = _png(figure)
        with written_beside(self._folder / f"{name}.png") as beside:
            beside.write_bytes(content)
        return content


def page(title: str, lead: str, parts: Sequence[str], footer: str) -> str:
    """The whole document; `parts` are HTML already, the other texts are not."""
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<title>{escape(title)}</title>"
    top = f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>'
    body = "\n".join([top, *parts, f"<footer>{escape(footer)}</footer>"])
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'


def section(heading: str, *parts: str) -> str:
    """A heading and what stands below it (HTML)."""
    return f"<section><h2>{escape(heading)}</h2>{''.join(parts)}</section>"


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def note(text: str) -> str:
    """A warning of plain text."""
    return f'<p class="note">{escape(text)}</p>'


def tiles(figures: Mapping[str, str]) -> str:
    """The main figures side by side, by what they are called."""
    cells = (f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for name, value in figures.items())
    return f'<div class="tiles">{"".join(cells)}</div>'


def facts(values: Mapping[str, str]) -> str:
    """A table of names and values; empty values are left out."""
    rows = (f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in values.items() if value)
    return f'<table class="facts">{"".join(rows)}</table>'


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """A table whose first `texts` columns are texts and whose others are numbers."""
    kinds = ["" if n < texts else ' class="number"' for n in range(len(headings))]
    head = "".join(f"<th{kind}>{escape(text)}</th>" for kind, text in zip(kinds, headings, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _figure(content: str, caption: str) -> str:
    return f"<figure>{content}<figcaption>{escape(caption)}</figcaption></figure>"


def _image(png: bytes, figure: Figure, caption: str) -> str:
    """At the figure's own size: 96 of a page's pixels an inch."""
    return f'<img alt="{escape(caption)}" width="{figure.get_figwidth() * 96:.0f}" src="{_data(png)}">'


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DPI, facecolor=figure.get_facecolor())
    return content.getvalue()

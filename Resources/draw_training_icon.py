"""Draws MedSegDLTrain's icon: a case whose loss falls. After a change: python Resources/draw_training_icon.py"""

import math
from pathlib import Path

from draw_icon import BLOOD, MUSCLE, OUTLINE, SCALE, SEGMENT, SIZE, disc, draw_tile
from PIL import Image, ImageDraw, ImageFilter

ICON = Path(__file__).parents[1] / "MedSegDLTrain" / "Resources" / "Icons" / "MedSegDLTrain.png"
AXES = (120, 134, 156, 255)
CURVE = (88, 206, 160, 255)


def draw_case() -> Image.Image:
    """The left ventricle in short axis, small, in the upper right corner, with its segment."""
    case = Image.new("RGBA", (SIZE * SCALE, SIZE * SCALE))
    draw = ImageDraw.Draw(case)
    disc(draw, 84, 43, 31, 31, fill=MUSCLE)
    disc(draw, 84, 43, 18, 18, fill=BLOOD)
    case = case.filter(ImageFilter.GaussianBlur(0.8 * SCALE))
    segment = Image.new("RGBA", case.size)
    disc(ImageDraw.Draw(segment), 84, 43, 18, 18, fill=SEGMENT, outline=OUTLINE, width=3 * SCALE)
    case.alpha_composite(segment)
    return case


def draw_curve(draw: ImageDraw.ImageDraw) -> None:
    """Two axes, and a loss that falls fast, then slowly."""
    draw.line([SCALE * edge for edge in (18, 20, 18, 110, 112, 110)], fill=AXES, width=5 * SCALE, joint="curve")
    points = [(x * SCALE, SCALE * (102 - 72 * math.exp(-(x - 28) / 20))) for x in range(28, 112)]
    draw.line(points, fill=CURVE, width=8 * SCALE, joint="curve")
    for x, y in (points[0], points[-1]):
        disc(draw, x / SCALE, y / SCALE, 4, 4, fill=CURVE)


def draw_training_icon() -> Image.Image:
    """The case and its curve on the tile."""
    tile = draw_tile()
    tile.alpha_composite(draw_case())
    draw_curve(ImageDraw.Draw(tile))
    return tile.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    draw_training_icon().save(ICON, optimize=True)

"""Draws MedSegDL.png: a heart in short axis, its left ventricle segmented. After a change: python Resources/draw_icon.py"""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

SIZE = 128
SCALE = 8  # drawn larger and shrunk, which smooths the edges
BACKGROUND = (16, 24, 38, 255)
MUSCLE = (92, 104, 122, 255)
BLOOD = (196, 204, 214, 255)
SEGMENT = (226, 48, 60, 190)
OUTLINE = (255, 92, 92, 255)


def disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius_x: float, radius_y: float, **style) -> None:
    """An ellipse around (x, y), in pixels of the finished icon."""
    draw.ellipse([SCALE * edge for edge in (x - radius_x, y - radius_y, x + radius_x, y + radius_y)], **style)


def draw_heart() -> Image.Image:
    """Right ventricle as a crescent that the muscle of the left one indents, and the blood pool inside."""
    heart = Image.new("RGBA", (SIZE * SCALE, SIZE * SCALE))
    draw = ImageDraw.Draw(heart)
    disc(draw, 47, 63, 34, 39, fill=MUSCLE)
    disc(draw, 48, 63, 29, 34, fill=BLOOD)
    disc(draw, 75, 66, 38, 38, fill=MUSCLE)
    disc(draw, 75, 66, 23, 23, fill=BLOOD)
    return heart.filter(ImageFilter.GaussianBlur(0.8 * SCALE))


def draw_tile() -> Image.Image:
    """The rounded dark tile of both modules' icons."""
    tile = Image.new("RGBA", (SIZE * SCALE, SIZE * SCALE))
    area = (2 * SCALE, 2 * SCALE, (SIZE - 2) * SCALE, (SIZE - 2) * SCALE)
    ImageDraw.Draw(tile).rounded_rectangle(area, radius=24 * SCALE, fill=BACKGROUND)
    return tile


def draw_icon() -> Image.Image:
    """The heart on the tile, with the segment of the left ventricle over it."""
    tile = draw_tile()
    tile.alpha_composite(draw_heart())
    segment = Image.new("RGBA", tile.size)
    disc(ImageDraw.Draw(segment), 75, 66, 23, 23, fill=SEGMENT, outline=OUTLINE, width=3 * SCALE)
    tile.alpha_composite(segment)
    return tile.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    draw_icon().save(Path(__file__).with_name("MedSegDL.png"), optimize=True)

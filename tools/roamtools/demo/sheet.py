"""A contact sheet: all screenshots of a run in one PNG with their titles. Takes no screenshot."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

COLUMNS = 3
THUMB = (480, 300)
CAPTION = 26
MARGIN = 12
PAPER, INK = (246, 246, 242), (40, 40, 40)
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


def make_sheet(pictures: Path, target: Path) -> Path:
    """Put the folder's PNG files, by name, on one sheet; the name after the number is the title."""
    files = sorted(pictures.glob("[0-9]*.png"))
    rows = max(1, -(-len(files) // COLUMNS))
    cell = (THUMB[0] + MARGIN, THUMB[1] + CAPTION + MARGIN)
    sheet = Image.new("RGB", (COLUMNS * cell[0] + MARGIN, rows * cell[1] + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(str(FONT), 15) if FONT.exists() else ImageFont.load_default()
    for number, file in enumerate(files):
        left = MARGIN + number % COLUMNS * cell[0]
        top = MARGIN + number // COLUMNS * cell[1]
        title = file.stem.split("-", 1)[1].replace("-", " ")
        draw.text((left, top), f"{number + 1}. {title}", INK, font)
        with Image.open(file) as image:
            sheet.paste(image.convert("RGB").resize(THUMB), (left, top + CAPTION))
    sheet.save(target)
    return target

"""What eyes need: screens of all sizes, and the contrast of two colours by WCAG 2.1."""

SIZES = [(640, 480), (1024, 768), (1280, 800), (1920, 1080), (3840, 2160), (1080, 1920)]
LONG_NAME = "reception-second-floor-left-of-the-stairs-behind-the-plant-0017"


def luminance(colour):
    """Relative luminance, WCAG 2.1."""
    parts = (value / 255 for value in colour)
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """From 1 (the same) to 21 (black and white)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)

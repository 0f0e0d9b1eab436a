"""The languages that a terminal has: one TOML file each in `dtu/languages`. Chooses none."""

from functools import cache
from importlib.resources import files

from dtu.core.language import DEFAULT, Language, parse_language


@cache
def languages() -> dict[str, Language]:
    """All languages by their code, English first; what one lacks is said in English."""
    texts = {
        each.name.removesuffix(".toml"): each.read_text(encoding="utf-8")
        for each in files("dtu").joinpath("languages").iterdir()
        if each.name.endswith(".toml")
    }
    base = parse_language(DEFAULT, texts.pop(DEFAULT))
    others = {code: parse_language(code, texts[code], base) for code in sorted(texts)}
    return {DEFAULT: base, **others}

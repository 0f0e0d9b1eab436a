"""pygame, imported in this one place because it wants things set before. Draws nothing."""

import os
import warnings

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
# A window's surface would go through OpenGL, all of it for each small change: 8 to 30 ms without a
# graphics card instead of 0.3.
os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
with warnings.catch_warnings():
    # pygame looks for its files through pkg_resources, which setuptools calls deprecated.
    warnings.simplefilter("ignore")
    import pygame

__all__ = ["pygame"]

"""pygame, imported in this one place because it wants things set before. Draws nothing."""

import os
import warnings

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
with warnings.catch_warnings():
    # pygame looks for its files through pkg_resources, which setuptools calls deprecated.
    warnings.simplefilter("ignore")
    import pygame

__all__ = ["pygame"]

"""Entry of `make demo`: plays the story on a fresh lab. The steps are in `story`."""

import sys

from roamtools.demo.cli import main

sys.exit(main())

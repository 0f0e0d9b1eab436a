"""Entry of `tools/words`. What it does is in `cli`."""

import sys

from roamtools.words.cli import main

sys.exit(main())

"""Entry of `tools/bench NAME`. What is measured is in the module of that name."""

import sys

from roamtools.bench.cli import main

sys.exit(main())

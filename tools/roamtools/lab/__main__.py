"""`python -m roamtools.lab`: the lab's command line."""

import sys

from roamtools.lab.cli import main

sys.exit(main())

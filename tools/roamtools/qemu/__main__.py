"""`python -m roamtools.qemu`. The commands are in `cli`."""

import sys

from roamtools.qemu.cli import main

sys.exit(main())

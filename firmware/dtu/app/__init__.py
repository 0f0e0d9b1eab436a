"""The terminal's processes; what must be set before any library is loaded. No code is here."""

import os

# numpy's OpenBLAS starts a thread a core, which spin and hold memory; nothing here multiplies
# matrices.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

"""Import this first: one compute thread per worker, as several workers share the machine.

The numerical libraries read these variables once, when they are imported.
"""

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

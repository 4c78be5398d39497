"""Claims: published statements as data, judged from metrics files, written as a ledger of verdicts.

Neither torch nor numba is imported here.
"""

from __future__ import annotations

from perennial.claims.judging import judge
from perennial.claims.records import csv_text, ledger, read, read_comparisons, write_ledger
from perennial.claims.statement import ClaimError

__all__ = ["ClaimError", "csv_text", "judge", "ledger", "read", "read_comparisons", "write_ledger"]

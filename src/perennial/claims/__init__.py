"""Claims: published statements as data, judged from metrics files, written as a ledger of verdicts.

Neither torch nor numba is imported here. Planning reads claims (`statement`) and curves (`curves`) only.
"""

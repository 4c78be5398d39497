"""The report: one HTML file that gathers what is finished. It never causes anything to be trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def build(study: Any, output_html: Path, ledger_csv: Path, code: str = "") -> None:
    """Gather what is finished under `study.folder` and write both files, each whole or not at all.

    Args:
        study: as `perennial.config.load` gives it.
        output_html: the report; it needs no network and no other file.
        ledger_csv: every claim on one line: id, experiment, n, estimate, low, high, published, verdict.
            Equal verdicts give equal bytes: what they were made from stands in the page.
        code: hash of the code of the page.
    """
    from perennial.claims import records
    from perennial.files import store
    from perennial.report import gather, page

    left_out: list[str] = []
    records.write_ledger(Path(study.folder) / "claims", Path(ledger_csv), left_out)
    text = page.html(gather.gather(study, code, left_out))
    store.write_bytes(Path(output_html), text.encode("utf-8", "backslashreplace"))

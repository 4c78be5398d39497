"""Which figures stand on the page, and what the page says of those that cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from perennial import registry
from perennial.files import lineage
from perennial.report import pictures


def plates(study: Any, folder: Path, bad: list[str]) -> list[dict[str, Any]]:
    """Figures of the study, then others on disk that were figures of it; those not drawn yet are named.

    Args:
        folder: of the study's results.
        bad: gets a line for each picture that is left out.
    """
    names = list(study.figures())
    for path in sorted(folder.glob("figures/*.svg")):
        if path.stem in names:
            continue
        if _was_ours(path):
            names.append(path.stem)
        else:
            bad.append(f"figures/{path.name}: left out, as no figure of this study")
    return [_figure(study, name, folder / "figures" / f"{name}.svg", bad) for name in names]


def _was_ours(path: Path) -> bool:
    """Whether a picture says that it was made as a figure."""
    try:
        return lineage.read(path).get("kind") == "figure"
    except (lineage.NoRecord, AttributeError):
        return False


def _figure(study: Any, name: str, path: Path, bad: list[str]) -> dict[str, Any]:
    try:
        module = study.figure(name)
        title, caption = module.TITLE, module.CAPTION
    except registry.UnknownName:  # its file was removed since it was drawn
        title, caption = name.replace("_", " "), ""
    drawn = path.exists()
    picture = Markup("")
    try:
        picture = pictures.inline(path, name, title, caption) if drawn else picture
    except (ValueError, OSError) as error:
        drawn = False
        bad.append(f"figures/{path.name}: left out: it {_why(error)}")
    return {"name": name, "title": title, "caption": caption, "drawn": drawn, "picture": picture}


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "is no text"
    return f"cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)

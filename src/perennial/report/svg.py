"""A picture as part of a page: what draws stays, what runs or asks for anything outside goes."""

from __future__ import annotations

from xml.etree import ElementTree

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
DRAWING = {
    "svg", "g", "defs", "symbol", "use", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text",
    "tspan", "title", "desc", "clipPath", "mask", "pattern", "marker", "linearGradient", "radialGradient", "stop",
    "image", "style",
}  # fmt: skip
INSIDE = ("#", "data:image/png;base64,", "data:image/jpeg;base64,")


def clean(text: str) -> str:
    """The SVG element of a file with nothing in it but drawing.

    Raises:
        ValueError: it is no SVG.
    """
    for prefix, uri in (("", SVG), ("xlink", XLINK)):
        ElementTree.register_namespace(prefix, uri)
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, RecursionError) as error:
        raise ValueError(f"is no SVG ({error})") from None
    if root.tag != f"{{{SVG}}}svg":
        raise ValueError("is no SVG (its first element is another)")
    waiting = [root]
    while waiting:
        element = waiting.pop()
        for child in list(element):
            if _draws(child):
                waiting.append(child)
            else:
                element.remove(child)
        for name in [name for name, value in element.attrib.items() if not _harmless(name, value)]:
            del element.attrib[name]
    return ElementTree.tostring(root, encoding="unicode")


def _draws(element: ElementTree.Element) -> bool:
    namespace, _, name = str(element.tag).removeprefix("{").partition("}")
    if namespace != SVG or name not in DRAWING:
        return False
    return name != "style" or not any(sign in (element.text or "") for sign in ("@", "url", "\\", "<"))


def _harmless(name: str, value: str) -> bool:
    if name in ("href", f"{{{XLINK}}}href"):
        return value.startswith(INSIDE)
    if name.startswith(("{", "on")):
        return False
    return "url" not in value.replace("url(#", "").lower() and "\\" not in value

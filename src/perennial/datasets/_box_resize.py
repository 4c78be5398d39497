"""One image file as 3x32x32 bytes, scaled as the official downsampled ImageNet was.

Source: `image_resizer_imagent.py -s 32 -a box` of PatrykChrabaszcz/Imagenet32_Scripts: whatever is not RGB is
converted first; then a box filter to 32x32 whatever the aspect ratio.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image

SIDE = 32
BITS_PER_SAMPLE = 258  # tag of TIFF


class Unreadable(ValueError):
    """The bytes are no image that can be decoded. The message is the decoder's."""


def _eight_bits(image: Image.Image) -> Image.Image:
    """A grey image of more than 8 bits, scaled from the range of its format to 0..255; others as they are.

    Pillow clips it: all but the darkest values would be white.

    Raises:
        Unreadable: its format has no range that is known: numbers of 32 bits, signed, or with a point.
    """
    sixteen = image.mode.startswith("I;16")
    if not sixteen and not (image.mode == "I" and image.format in ("PNG", "PPM")):
        if image.mode in ("I", "F"):
            raise Unreadable(f"mode {image.mode} of {image.format} has no range that would be black to white")
        return image
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (16,))[0]
    values = np.asarray(image).astype(np.int64)
    top = (1 << int(bits)) - 1
    return Image.fromarray(((np.clip(values, 0, top) * 255 + top // 2) // top).astype(np.uint8))


def resize(content: bytes) -> tuple[np.ndarray, str]:
    """Decode and scale an image.

    Args:
        content: of the image file; its format is told by the content, not by the name.

    Returns:
        image [3, 32, 32] uint8, and the mode that it was stored in: RGB, L (grey), CMYK, ...

    Raises:
        Unreadable: broken or cut short, or no image at all.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata and large pictures are no news
            with Image.open(io.BytesIO(content)) as image:
                mode = image.mode
                scaled = _eight_bits(image).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    except MemoryError:
        raise
    except Exception as error:  # a decoder may raise anything on broken bytes
        reason = str(error).partition("<_io")[0].strip().splitlines() or [type(error).__name__]
        raise Unreadable(reason[0]) from None
    return np.asarray(scaled).transpose(2, 0, 1), mode  # [row, column, channel] -> [channel, row, column]

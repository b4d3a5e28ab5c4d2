"""What a picture must be, and how a build stores it."""

from typing import Annotated

from pydantic import Field

from pipeline.settings.values import Count, Int32, Section


class ImageSettings(Section):
    """What a picture must be, and how it is stored. The first four change what is stored."""

    size: Annotated[int, Field(ge=16, le=4096)] = 256
    quality: Annotated[int, Field(ge=1, le=100)] = 95
    keep_originals: bool = False  # JPEG, PNG and WebP as served, foreign bytes and all
    max_pixels: Annotated[int, Field(ge=1, le=200_000_000)] = 50_000_000  # <= 20 bytes each
    min_side: Int32 = 32
    min_area: Count = 0  # of width times height, pixels
    max_aspect: Annotated[float, Field(ge=1)] = 5.0
    min_spread: Annotated[float, Field(ge=0)] = 2.0

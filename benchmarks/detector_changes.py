"""Changes of photographs, as people make them: by Pillow, of which training's copies use nothing.

CHANGES has every change at one strength, or at two ("crop 5%", "crop 20%"), and STRONGER a second
strength of others. The six kinds of NEVER_TRAINED were named before anything was trained or
measured: training has no copy like them.
"""

import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Picture = Image.Image
Change = Callable[[Picture], Picture]
NEVER_TRAINED = ("AVIF", "gray", "noise", "padding", "perspective", "sharpened")
BICUBIC = Image.Resampling.BICUBIC


def saved(kind: str, quality: int) -> Change:
    def change(picture: Picture) -> Picture:
        file = io.BytesIO()
        picture.save(file, kind, quality=quality)
        return Image.open(file).convert("RGB")

    return change


def scaled(across: float, down: float) -> Change:
    """The picture with its sides multiplied."""

    def change(picture: Picture) -> Picture:
        width, height = picture.size
        return picture.resize((round(width * across), round(height * down)), BICUBIC)

    return change


def cropped(share: float) -> Change:
    """Without a share of each side, more of it from the left and the top than from the others."""

    def change(picture: Picture) -> Picture:
        width, height = picture.size
        left, top = round(width * share * 0.6), round(height * share * 0.7)
        right, bottom = left + round(width * (1 - share)), top + round(height * (1 - share))
        return picture.crop((left, top, right, bottom))

    return change


def rotated(degrees: float) -> Change:
    return lambda picture: picture.rotate(degrees, BICUBIC)


def enhanced(kind: type, factor: float) -> Change:
    return lambda picture: kind(picture).enhance(factor)


def hue(degrees: float) -> Change:
    def change(picture: Picture) -> Picture:
        hues, *others = picture.convert("HSV").split()
        turned = hues.point([round(at + degrees / 360 * 256) % 256 for at in range(256)])
        return Image.merge("HSV", (turned, *others)).convert("RGB")

    return change


def noisy(spread: float) -> Change:
    """With normal noise of this spread, of 0..255."""

    def change(picture: Picture) -> Picture:
        pixels = np.asarray(picture, np.float32)
        noise = np.random.default_rng(picture.width).normal(0, spread, pixels.shape)
        return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))

    return change


def lettered(share: float) -> Change:
    """White words with a dark edge, a share of the height each."""

    def change(picture: Picture) -> Picture:
        picture = picture.copy()
        size = max(8, round(picture.height * share))
        draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
        place = (picture.width / 2, picture.height * 0.7)
        options = {"anchor": "mm", "stroke_width": max(1, size // 12), "stroke_fill": "black"}
        draw.text(place, "Summer sale, 50% off", "white", font, **options)
        return picture

    return change


def face_over(share: float) -> Change:
    """A round yellow face over the picture, a share of its shorter side wide."""

    def change(picture: Picture) -> Picture:
        picture, side = picture.copy(), min(picture.size)
        radius = side * share / 2
        x, y = picture.width * 0.6, picture.height * 0.45
        draw = ImageDraw.Draw(picture)

        def dot(right: float, down: float, size: float, colour: str) -> None:
            at, to = x + right * radius - size * radius, y + down * radius - size * radius
            draw.ellipse((at, to, at + 2 * size * radius, to + 2 * size * radius), fill=colour)

        dot(0, 0, 1, "#ffcc33")
        dot(-0.35, -0.25, 0.13, "#553300")
        dot(0.35, -0.25, 0.13, "#553300")
        mouth = (x - radius * 0.5, y - radius * 0.3, x + radius * 0.5, y + radius * 0.6)
        draw.arc(mouth, 20, 160, fill="#553300", width=max(1, round(radius / 8)))
        return picture

    return change


def bordered(share: float) -> Change:
    """A white border, on each side a share of the shorter one."""
    return lambda picture: ImageOps.expand(picture, round(min(picture.size) * share), "white")


def meme(picture: Picture) -> Picture:
    """White bands with words above and below."""
    width, height = picture.size
    band = height // 5
    canvas = Image.new("RGB", (width, height + 2 * band), "white")
    canvas.paste(picture, (0, band))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(max(8, band // 2))
    for y, words in ((band / 2, "WHEN IT IS MONDAY"), (height + 1.5 * band, "AND NOBODY CAME")):
        draw.text((width / 2, y), words, "black", font, anchor="mm")
    return canvas


def padded(picture: Picture) -> Picture:
    """In the middle of a square whose background is the picture itself, blurred."""
    side = max(picture.size) * 5 // 4
    canvas = picture.resize((side, side)).filter(ImageFilter.GaussianBlur(side / 20))
    canvas.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return canvas


def seen_from_aside(share: float) -> Change:
    """As from the right: the left side is smaller by twice the share."""

    def change(picture: Picture) -> Picture:
        width, height = picture.size
        corners = (0, -share * height, 0, (1 + share) * height, width, height, width, 0)
        method = Image.Transform.QUAD
        return picture.transform(picture.size, method, corners, BICUBIC)

    return change


def jittered(picture: Picture) -> Picture:
    """Brightness, contrast, saturation and hue at once."""
    for kind, factor in (
        (ImageEnhance.Brightness, 1.25),
        (ImageEnhance.Contrast, 0.75),
        (ImageEnhance.Color, 1.5),
    ):
        picture = kind(picture).enhance(factor)
    return hue(15)(picture)


CHANGES: Mapping[str, Change] = {
    "JPEG 50": saved("JPEG", 50),
    "JPEG 15": saved("JPEG", 15),
    "WebP": saved("WEBP", 30),
    "AVIF": saved("AVIF", 30),
    "half size": scaled(0.5, 0.5),
    "double size": scaled(2, 2),
    "aspect": scaled(1.33, 1),
    "crop 5%": cropped(0.05),
    "crop 20%": cropped(0.2),
    "crop 50%": cropped(0.5),
    "mirrored": ImageOps.mirror,
    "rotated 2": rotated(2),
    "rotated 5": rotated(5),
    "rotated 20": rotated(20),
    "quarter turn": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "brightness": enhanced(ImageEnhance.Brightness, 1.5),
    "contrast": enhanced(ImageEnhance.Contrast, 0.5),
    "saturation": enhanced(ImageEnhance.Color, 2),
    "hue": hue(40),
    "gray": lambda picture: ImageOps.grayscale(picture).convert("RGB"),
    "blur": lambda picture: picture.filter(ImageFilter.GaussianBlur(picture.height / 100)),
    "sharpened": lambda picture: picture.filter(ImageFilter.UnsharpMask(3, 250, 0)),
    "noise": noisy(25),
    "letters": lettered(0.09),
    "face over": face_over(0.4),
    "white border": bordered(0.12),
    "meme": meme,
    "padding": padded,
    "perspective": seen_from_aside(0.15),
    "jitter": jittered,
}

STRONGER: Mapping[str, Change] = {
    "WebP 8": saved("WEBP", 8),
    "AVIF 10": saved("AVIF", 10),
    "quarter size": scaled(0.25, 0.25),
    "aspect 2": scaled(2, 1),
    "brightness 0.5": enhanced(ImageEnhance.Brightness, 0.5),
    "contrast 2": enhanced(ImageEnhance.Contrast, 2),
    "saturation 0.3": enhanced(ImageEnhance.Color, 0.3),
    "hue 90": hue(90),
    "blur, twice": lambda picture: picture.filter(ImageFilter.GaussianBlur(picture.height / 50)),
    "sharpened, twice": lambda picture: picture.filter(ImageFilter.UnsharpMask(3, 500, 0)),
    "noise 50": noisy(50),
    "letters, large": lettered(0.18),
    "face over, large": face_over(0.6),
    "white border 25%": bordered(0.25),
    "perspective, twice": seen_from_aside(0.3),
}

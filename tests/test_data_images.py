"""Every kind of picture file that a crawl brings home, made here and read back."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFile

from lib.data import images
from lib.data.images import NO_HASH, ImageError, inspect, inspect_all, load_rgb, perceptual_hash

RED, GREEN, BLUE = (200, 40, 30), (30, 160, 60), (20, 60, 190)


def scene(width=120, height=80, seed=0) -> Image.Image:
    """Red top left, blue bottom left, green right: turns and inversions show."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), GREEN)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 2, height // 2), fill=RED)
    draw.rectangle((0, height // 2, width // 2, height), fill=BLUE)
    for _ in range(6):
        x, y = rng.integers(0, width // 2), rng.integers(0, height // 2)
        draw.ellipse(
            (x + width // 2, y, x + width // 2 + 14, y + 14),
            fill=tuple(rng.integers(0, 255, 3).tolist()),
        )
    return image


def corner(image: Image.Image) -> np.ndarray:
    return np.asarray(image)[4, 4].astype(int)


def close_to(pixel, colour, tolerance=12) -> bool:
    return bool(np.abs(np.asarray(pixel) - colour).max() <= tolerance)


def test_plain_jpeg_and_progressive_jpeg(tmp_path):
    scene().save(tmp_path / "plain.jpg", quality=95)
    scene().save(tmp_path / "progressive.jpg", quality=95, progressive=True)
    for name in ("plain.jpg", "progressive.jpg"):
        image = load_rgb(tmp_path / name)
        assert image.mode == "RGB"
        assert image.size == (120, 80)
        assert close_to(corner(image), RED)


def test_cmyk_jpeg_with_adobe_inversion(tmp_path):
    scene().convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    with Image.open(tmp_path / "cmyk.jpg") as stored:
        assert stored.mode == "CMYK"
        assert "adobe" in stored.info
    assert close_to(corner(load_rgb(tmp_path / "cmyk.jpg")), RED)


def test_cmyk_tiff(tmp_path):
    scene().convert("CMYK").save(tmp_path / "cmyk.tif")
    assert close_to(corner(load_rgb(tmp_path / "cmyk.tif")), RED)


def test_palette_with_transparency_lies_on_white(tmp_path):
    palette = scene().quantize(8)
    clear = palette.getpixel((4, 4))
    palette.save(tmp_path / "p.png", transparency=clear)
    image = load_rgb(tmp_path / "p.png")
    assert corner(image).tolist() == [255, 255, 255]
    assert close_to(np.asarray(image)[70, 10], BLUE)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_lies_on_white(tmp_path, mode):
    image = scene().convert(mode)
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 60, 40))
    alpha.putpixel((100, 70), 128)
    image.putalpha(alpha)
    image.save(tmp_path / "a.png")
    out = load_rgb(tmp_path / "a.png")
    assert corner(out).tolist() == [255, 255, 255]  # black under the clear part must not show
    under = np.asarray(image.convert("RGB"))[70, 100].astype(float)
    expected = under * 128 / 255 + 255 * 127 / 255
    assert close_to(np.asarray(out)[70, 100], expected, 2)


def test_rgb_with_transparent_colour(tmp_path):
    scene().save(tmp_path / "key.png", transparency=RED)
    assert corner(load_rgb(tmp_path / "key.png")).tolist() == [255, 255, 255]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_of_16_bits_is_scaled_not_clipped(tmp_path, suffix):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    Image.fromarray(np.tile(ramp, (16, 1))).save(tmp_path / f"grey.{suffix}")
    row = np.asarray(load_rgb(tmp_path / f"grey.{suffix}"))[8, :, 0]
    assert row[0] == 0
    assert row[-1] == 255
    assert len(set(row.tolist())) == 256


@pytest.mark.parametrize(("top", "dtype"), [(255, np.int32), (65535, np.int32), (1.0, np.float32)])
def test_grey_of_32_bits_and_floats(tmp_path, top, dtype):
    ramp = np.tile(np.linspace(0, top, 64).astype(dtype), (16, 1))
    Image.fromarray(ramp).save(tmp_path / "grey.tif")
    row = np.asarray(load_rgb(tmp_path / "grey.tif"))[8, :, 1]
    assert row[0] == 0
    assert row[-1] == 255
    assert abs(int(row[32]) - 130) <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    turned = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that EXIF says to undo
    upright = scene()
    stored = (
        upright if orientation == 1 else upright.transpose(Image.Transpose(turned[orientation]))
    )
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    stored.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    image = load_rgb(tmp_path / "turned.jpg")
    assert image.size == upright.size
    difference = np.asarray(image).astype(int) - np.asarray(upright)
    assert np.abs(difference).mean() < 6


def test_damaged_exif_does_not_cost_the_picture(tmp_path):
    scene().save(tmp_path / "bad_exif.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert load_rgb(tmp_path / "bad_exif.jpg").size == (120, 80)


def test_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, BLUE)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert close_to(corner(load_rgb(tmp_path / "a.gif")), RED)


def encoded(kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    noisy = np.random.default_rng(1).integers(0, 255, (90, 90, 3), dtype=np.uint8)
    Image.fromarray(noisy).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}), ("GIF", {})],
)
def test_truncated_file_is_an_error(tmp_path, kind, options, share):
    data = encoded(kind, **options)
    cut = data[: int(len(data) * share)]
    if kind == "PNG":
        cut = cut[: len(data) - 40]  # the last chunk of a PNG carries no pixels
    path = tmp_path / "cut"
    path.write_bytes(cut)
    with pytest.raises(ImageError) as error:
        load_rgb(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_zero_filled_jpeg_is_an_error_even_with_a_thumbnail(tmp_path):
    """A download that stopped: Pillow alone decodes the zeros as grey without a word."""
    exif = b"Exif\0\0" + b"\xff\xd8 thumbnail \xff\xd9"
    data = encoded("JPEG", exif=exif)
    padded = data[: len(data) // 2] + bytes(len(data) // 2)
    (tmp_path / "padded.jpg").write_bytes(padded)
    with pytest.raises(ImageError, match="truncated"):
        load_rgb(tmp_path / "padded.jpg")
    (tmp_path / "whole.jpg").write_bytes(data + bytes(64))  # zeros after the end do no harm
    assert load_rgb(tmp_path / "whole.jpg").size == (90, 90)


def test_truncation_is_seen_though_another_library_allowed_it(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = encoded("PNG")
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError):
        load_rgb(tmp_path / "cut.png")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"<html>404</html>", "not an image"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "image"),
    ],
)
def test_what_is_no_picture(tmp_path, content, reason):
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(ImageError, match=reason):
        load_rgb(tmp_path / "x.jpg")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ImageError, match="no such file"):
        load_rgb(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="cannot be read"):
        load_rgb(tmp_path)


@pytest.mark.parametrize("limit", [images.MAX_PIXELS, 10**9])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_decompression_bomb(tmp_path, monkeypatch, limit):
    """A few hundred kB that would unpack to gigabytes: refused from the header on."""
    monkeypatch.setattr(images, "MAX_PIXELS", limit)
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(ImageError, match="too large"):
        load_rgb(tmp_path / "bomb.png")


def test_hash_survives_what_reposting_does(tmp_path):
    original = scene()
    original.resize((60, 40)).save(tmp_path / "small.jpg", quality=40)
    here, there = perceptual_hash(original), perceptual_hash(load_rgb(tmp_path / "small.jpg"))
    assert bits(here ^ there) <= 4
    others = [perceptual_hash(scene(seed=s).rotate(90 * s)) for s in (1, 2, 3)]
    assert min(bits(here ^ other) for other in others) > 8


def bits(value: int) -> int:
    return (value & (2**64 - 1)).bit_count()


def test_hash_is_that_of_imagehash():
    import imagehash

    expected = str(imagehash.phash(scene().convert("L").resize((32, 32), Image.Resampling.LANCZOS)))
    assert perceptual_hash(scene()) & (2**64 - 1) == int(expected, 16)
    assert -(2**63) <= perceptual_hash(scene()) < 2**63


@pytest.mark.parametrize("colour", ["black", "white", (130, 90, 20)])
def test_plain_pictures_have_no_hash(colour):
    plain = np.asarray(Image.new("RGB", (90, 60), colour)).astype(int)
    noise = np.random.default_rng(0).integers(-2, 3, plain.shape)
    for pixels in (plain, plain + noise):
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        assert perceptual_hash(image) == NO_HASH


def test_inspect_all_keeps_order_and_yields_errors(tmp_path):
    paths = []
    for i in range(20):
        paths.append(tmp_path / f"{i}.jpg")
        scene(width=100 + i).save(paths[-1])
    paths[7].write_bytes(b"")
    results = list(inspect_all(paths, workers=3, block=6))
    assert isinstance(results[7], ImageError)
    assert [r.width for i, r in enumerate(results) if i != 7] == [
        100 + i for i in range(20) if i != 7
    ]
    assert results[3] == inspect(paths[3])

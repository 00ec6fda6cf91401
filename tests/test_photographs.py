"""Photographs of every kind and in every state of repair: read alike, or named and left out; and the cache they are kept in."""

import errno
import gzip
import io
import lzma
import os
import tarfile
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save

from lnl_core.datasets.readers import photographs
from lnl_core.datasets.readers.photographs import (
    Photographs,
    cache_folder,
    centre_brightness,
    color_levels,
    decode,
    list_photographs,
    load_photographs,
    reorder,
)
from lnl_core.errors import ConfigError, DataError


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def halves(width: int = 40, height: int = 40) -> Image.Image:
    """Red above, blue below."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (0, height // 2, width, height))
    return image


def corner_colors(image: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """The colours near the four corners, clockwise from the upper left, in tenths of 255."""
    low, high = image.shape[1] // 8, -1 - image.shape[1] // 8
    return [tuple((image[:, y, x] / 25.5).round().astype(int)) for y, x in ((low, low), (low, high), (high, high), (high, low))]


RED, BLUE, GREY, WHITE = (10, 0, 0), (0, 0, 10), (5, 5, 5), (10, 10, 10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five photographs, one of them in a subfolder, and a hidden file."""
    path = tmp_path / "photos"
    (path / "sub").mkdir(parents=True)
    for index, name in enumerate(("a.jpg", "b.png", "c.jpg", "d.jpg", "sub/e.jpg")):
        Image.new("RGB", (30 + index, 20 + 3 * index), (40 * index, 200 - 30 * index, 90)).save(path / name)
    (path / ".hidden").write_text("no photograph")
    return path


def packed(folder: Path, to: Path, mode: str = "w") -> Path:
    with tarfile.open(to, mode) as archive:  # type: ignore[call-overload]
        for path in sorted(folder.rglob("*")):
            archive.add(path, path.relative_to(folder).as_posix(), recursive=False)
    return to


def load(source: Path, names: list[str] | None = None, **options: Any) -> Photographs:
    return load_photographs(source, names, **{"size": 16, "progress": False, **options})


# One photograph


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM"])
def test_every_format_shows_the_same(form: str) -> None:
    image = decode(saved(halves(), form), 16)
    assert image.shape == (3, 16, 16)
    assert image.dtype == np.uint8
    assert corner_colors(image) == [RED, RED, BLUE, BLUE]


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr", "I;16", "I", "F", "LA", "RGBA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    form = {"CMYK": "JPEG", "YCbCr": "JPEG", "F": "TIFF", "I": "TIFF"}.get(mode, "PNG")
    grey = Image.new("L", (20, 20), 255 if mode == "1" else 128)
    if mode in ("I;16", "I"):
        image = Image.fromarray(np.full((20, 20), 128 * 257, dtype=np.uint16 if mode == "I;16" else np.int32))
    else:
        image = grey.convert("F") if mode == "F" else grey.convert("RGB").convert(mode)
    assert image.mode == mode
    assert corner_colors(decode(saved(image, form), 8)) == [WHITE if mode == "1" else GREY] * 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_laid_on_white(mode: str) -> None:
    image = halves().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    content = (
        saved(image.convert(mode))
        if mode != "P"
        else saved(halves().convert("P"), transparency=halves().convert("P").getpixel((0, 0)))
    )
    assert corner_colors(decode(content, 16))[:2] == [WHITE, WHITE]


@pytest.mark.parametrize(
    ("orientation", "corners"),
    [
        (1, [RED, RED, BLUE, BLUE]),
        (2, [RED, RED, BLUE, BLUE]),
        (3, [BLUE, BLUE, RED, RED]),
        (4, [BLUE, BLUE, RED, RED]),
        (5, [RED, BLUE, BLUE, RED]),
        (6, [BLUE, RED, RED, BLUE]),
        (7, [BLUE, RED, RED, BLUE]),
        (8, [RED, BLUE, BLUE, RED]),
    ],
)
def test_exif_turns_a_photograph_upright(orientation: int, corners: list[tuple[int, ...]]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert corner_colors(decode(saved(halves(80, 80), "JPEG", exif=exif), 16)) == corners


def test_an_exif_tag_that_cannot_be_read_turns_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = decode(saved(halves(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff\x01\x12"), 16)
    assert corner_colors(image) == [RED, RED, BLUE, BLUE]


@pytest.mark.parametrize("size", [(400, 100), (100, 400)])
def test_the_centre_is_cut_out_or_the_whole_is_squeezed(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "blue")
    width, height = size
    image.paste("red", (width // 2 - 40, height // 2 - 40, width // 2 + 40, height // 2 + 40))
    for form in ("PNG", "JPEG"):
        assert corner_colors(decode(saved(image, form), 16)) == [RED] * 4
        assert corner_colors(decode(saved(image, form), 16, crop=False)) == [BLUE] * 4


def test_a_large_jpeg_decoded_at_a_fraction_looks_like_the_whole_one() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    large = Image.fromarray(noise).resize((1600, 1200), Image.Resampling.BICUBIC)
    reduced, whole = decode(saved(large, "JPEG", quality=95), 64), decode(saved(large), 64)
    assert np.abs(reduced.astype(int) - whole).mean() < 3


@pytest.mark.parametrize(
    "content", [b"", b"no image", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", saved(halves(), "JPEG")[:300]]
)
def test_what_is_no_image_raises(content: bytes) -> None:
    with pytest.raises((OSError, SyntaxError)):
        decode(content)


# Many


def test_a_folder_is_read_in_the_order_of_its_names(folder: Path) -> None:
    found = load(folder)
    assert found.names == ["a.jpg", "b.png", "c.jpg", "d.jpg", "sub/e.jpg"]
    assert found.images.shape == (5, 3, 16, 16)
    assert found.images.dtype == torch.uint8
    for index, image in enumerate(found.images.float().mean(dim=(2, 3))):
        assert image.tolist() == pytest.approx([40 * index, 200 - 30 * index, 90], abs=3)
    chosen = load(folder, ["d.jpg", "a.jpg"])
    assert chosen.names == ["d.jpg", "a.jpg"]
    assert torch.equal(chosen.images, found.images[[3, 0]])


@pytest.mark.parametrize(("name", "mode"), [("all.tar", "w"), ("all.tar.gz", "w:gz")])
def test_an_archive_gives_what_its_folder_gives(name: str, mode: str, folder: Path, tmp_path: Path) -> None:
    archive = packed(folder, tmp_path / name, mode)
    expected, found = load(folder), load(archive)
    assert found.names == expected.names
    assert torch.equal(found.images, expected.images)
    chosen = load(archive, ["sub/e.jpg", "b.png"])
    assert chosen.names == ["sub/e.jpg", "b.png"]
    assert torch.equal(chosen.images, expected.images[[4, 1]])
    assert list(tmp_path.glob("sub")) == [], "nothing is unpacked"


def test_any_number_of_threads_gives_the_same(folder: Path) -> None:
    one, four = load(folder, cache=False, workers=1), load(folder, cache=False, workers=4)
    assert torch.equal(one.images, four.images)


BROKEN: dict[str, bytes] = {
    "0-truncated.jpg": saved(halves(200, 200), "JPEG")[:600],
    "b-text.jpg": b"this is a text",
    "c-empty.jpg": b"",
    "z-cut.png": saved(Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)))[:9000],
}


def huge_png() -> bytes:
    """A file of a few bytes that says it is 30,000 pixels wide and high."""
    content = bytearray(saved(Image.new("1", (1, 1))))
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize("packing", [False, True])
def test_broken_files_are_named_counted_and_left_out(packing: bool, folder: Path, tmp_path: Path) -> None:
    expected = load(folder)
    for name, content in {**BROKEN, "bomb.png": huge_png(), "large.png": saved(Image.new("L", (9000, 8000)))}.items():
        (folder / name).write_bytes(content)
    source = packed(folder, tmp_path / "all.tar") if packing else folder
    for _ in range(2):  # decoded, then from the cache
        with pytest.warns(
            UserWarning, match=r"6 of 11 files in .* were left out: 0-truncated\.jpg \(.+\), b-text\.jpg \(not an image\)"
        ):
            found = load(source)
        assert found.names == expected.names
        assert torch.equal(found.images, expected.images)
        assert [found.names[0], found.names[-1]] == [
            list_photographs(source)[found.kept[0]],
            list_photographs(source)[found.kept[-1]],
        ]
        reasons = dict(found.skipped)
        assert reasons.keys() == {*BROKEN, "bomb.png", "large.png"}
        assert "pixels" in reasons["bomb.png"]
        assert "pixels" in reasons["large.png"]


def test_a_file_of_too_many_bytes_is_left_out(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "MAX_BYTES", (folder / "a.jpg").stat().st_size - 1)
    Image.new("L", (1, 1)).save(folder / "tiny.png")
    for source in (folder, packed(folder, tmp_path / "all.tar")):
        with pytest.warns(UserWarning, match=r"a\.jpg \(more than the .* bytes allowed\)"):
            assert "tiny.png" in load(source).names


def test_names_that_are_absent_are_left_out(folder: Path, tmp_path: Path) -> None:
    for source in (folder, packed(folder, tmp_path / "all.tar")):
        with pytest.warns(UserWarning, match=r"1 of 2 files .* none\.jpg \(missing\)"):
            assert load(source, ["none.jpg", "a.jpg"]).names == ["a.jpg"]


def test_a_folder_of_nothing_but_broken_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"text")
    with pytest.raises(DataError, match=r"none of the 1 files .* \(a\.jpg: not an image\)"):
        load(tmp_path / "photos")


def hostile(path: Path, name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Path:
    with tarfile.open(path, "w") as archive:
        good = saved(halves())
        member = tarfile.TarInfo("good.png")
        member.size = len(good)
        archive.addfile(member, io.BytesIO(good))
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        member.size = len(good) if kind == tarfile.REGTYPE else 0
        archive.addfile(member, io.BytesIO(good))
    return path


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "sub/../../out.png", "..", "C:\\out.png", "a\\..\\out.png"])
def test_an_archive_that_leads_outside_is_refused(name: str, tmp_path: Path) -> None:
    for names in (None, ["good.png"]):
        with pytest.raises(DataError, match=r"leads outside its folder: it is refused"):
            load(hostile(tmp_path / "bad.tar", name), names)
    assert not list(tmp_path.parent.glob("out.png"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_an_archive_is_refused(kind: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds the link 'link\.png': it is refused"):
        load(hostile(tmp_path / "bad.tar", "link.png", kind, "/etc/passwd"))


def test_devices_in_an_archive_are_passed_over(tmp_path: Path) -> None:
    assert load(hostile(tmp_path / "odd.tar", "pipe.png", tarfile.FIFOTYPE)).names == ["good.png"]


@pytest.mark.parametrize("name", ["../a.jpg", "/a.jpg"])
def test_a_name_that_leads_outside_is_refused(name: str, folder: Path) -> None:
    with pytest.raises(DataError, match="leads outside"):
        load(folder, [name])


@pytest.mark.parametrize("kept", [0, 700, 0.6])
def test_a_damaged_archive_is_refused(kept: float, folder: Path, tmp_path: Path) -> None:
    archive = packed(folder, tmp_path / "all.tar.gz", "w:gz")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(DataError, match=r"all\.tar\.gz (cannot be read to its end as a \.tar archive|holds no files)"):
        load(archive)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_an_archive_with_a_damaged_header_in_its_middle_is_refused(mode: str, folder: Path, tmp_path: Path) -> None:
    whole = packed(folder, tmp_path / "whole.tar", "w").read_bytes()
    with tarfile.open(tmp_path / "whole.tar") as archive:
        start = archive.getmembers()[-1].offset
    broken = bytearray(whole)
    broken[start + 3] ^= 1
    packers: dict[str, Callable[[bytes], bytes]] = {"w": bytes, "w:gz": gzip.compress, "w:xz": lzma.compress}
    pack = packers[mode]
    path = tmp_path / "broken.tar"
    path.write_bytes(pack(bytes(broken)))
    with pytest.raises(DataError, match=r"broken\.tar cannot be read to its end as a \.tar archive"):
        list_photographs(path)
    path.write_bytes(pack(whole))
    assert len(list_photographs(path)) > 1


def test_a_failure_that_may_pass_is_not_kept(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = list_photographs(folder)
    first, real = folder / names[0], Path.read_bytes

    def busy(path: Path) -> bytes:
        if path == first:
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", busy)
        with pytest.warns(UserWarning, match="Too many open files"):
            found = load(folder)
    assert names[0] not in found.names
    assert names[0] in load(folder).names


def test_what_is_asked_for_must_make_sense(folder: Path, tmp_path: Path) -> None:
    for size in (0, -1, 2.5, True, 5000):
        with pytest.raises(ConfigError, match="size must be a whole number"):
            load(folder, size=size)
    with pytest.raises(DataError, match="does not exist"):
        load(tmp_path / "none")
    with pytest.raises(DataError, match="does not exist"):
        load(tmp_path / "none", ["a.jpg"])
    with pytest.raises(DataError, match="asked for twice"):
        load(folder, ["a.jpg", "a.jpg"])
    with pytest.raises(DataError, match="name at least one"):
        load(folder, [])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no files"):
        load(tmp_path / "empty")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_reorder_is_indexing_in_place(count: int) -> None:
    images = torch.arange(2 * count).reshape(count, 2)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(count)
        expected, copy = images[torch.from_numpy(order)], images.clone()
        assert reorder(copy, order) is copy
        assert torch.equal(copy, expected)


# The cache


def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows by one entry each time photographs are decoded."""
    calls: list[str] = []
    real = photographs.decode_all

    def counted(source: Path, *arguments: Any, **options: Any) -> Photographs:
        calls.append(str(source))
        return real(source, *arguments, **options)

    monkeypatch.setattr(photographs, "decode_all", counted)
    return calls


@pytest.mark.parametrize("packing", [False, True])
def test_photographs_are_decoded_once(packing: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = decodings(monkeypatch)
    source = packed(folder, tmp_path / "all.tar") if packing else folder
    first, second = load(source), load(source)
    assert len(calls) == 1
    assert torch.equal(first.images, second.images)
    assert (first.names, first.skipped, first.kept.tolist()) == (second.names, second.skipped, second.kept.tolist())
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".safetensors"]
    load(source, cache=False)
    assert len(calls) == 2


def test_whatever_changes_the_array_makes_another_cache_file(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = decodings(monkeypatch)
    load(folder)
    load(folder, size=8)
    load(folder, crop=False)
    load(folder, ["a.jpg", "b.png"])
    load(folder, ["b.png", "a.jpg"])
    os.utime(folder / "a.jpg", (1, 1))
    load(folder)
    Image.new("RGB", (50, 50), "green").save(folder / "a.jpg")
    assert load(folder).images[0].float().mean(dim=(1, 2)).tolist() == pytest.approx([0, 128, 0], abs=3)
    monkeypatch.setattr(photographs, "_CACHE_VERSION", 99)
    load(folder)
    assert len(calls) == 8
    archive = packed(folder, tmp_path / "all.tar")
    load(archive)
    os.utime(archive, (1, 1))
    load(archive)
    assert len(calls) == 10
    assert len(list((tmp_path / "cache").iterdir())) == 10


@pytest.mark.parametrize("damage", ["cut", "noise", "flipped", "empty", "foreign"])
def test_a_damaged_cache_is_set_aside_and_made_again(
    damage: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load(folder)
    (path,) = (tmp_path / "cache").iterdir()
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(
        {
            "cut": bytes(content[: len(content) // 2]),
            "noise": np.random.default_rng(0).bytes(500),
            "flipped": bytes(content),
            "empty": b"",
            "foreign": save({"images": torch.zeros(3)}),
        }[damage]
    )
    calls = decodings(monkeypatch)
    with pytest.warns(UserWarning, match=r"is damaged \(.+\): it is set aside as .*\.damaged and made again"):
        again = load(folder)
    assert torch.equal(again.images, expected.images)
    assert {entry.suffix for entry in (tmp_path / "cache").iterdir()} == {".safetensors", ".damaged"}
    load(folder)
    assert len(calls) == 1


def test_a_cache_that_cannot_be_written_stops_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="cannot be kept in"):
        assert len(load(folder, cache_dir=tmp_path / "file")) == 5


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder(tmp_path) == tmp_path
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("LNL_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LNL_DATA_DIR", "/elsewhere")
    assert cache_folder() == tmp_path / ".cache" / "lnl_core" / "photographs"


# What is measured


@pytest.mark.parametrize(("side", "places"), [(28, 14), (64, 4), (64, 16), (224, 14), (30, 7), (5, 5), (9, 1)])
def test_color_levels_are_those_of_pils_nearest_neighbour(side: int, places: int) -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 3, side, side), dtype=np.uint8))
    found = color_levels(images, places)
    assert found.dtype == torch.uint8
    for image, levels in zip(images, found, strict=True):
        small = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((places, places), Image.Resampling.NEAREST)
        assert np.array_equal(levels.numpy(), np.asarray(small).transpose(2, 0, 1) // 32)
    assert color_levels(images, places, 2).max() == 1


def test_color_levels_of_what_cannot_be_are_refused() -> None:
    images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    for places in (0, 9):
        with pytest.raises(ConfigError, match="places"):
            color_levels(images, places)
    for levels in (0, 7, 300):
        with pytest.raises(ConfigError, match="levels"):
            color_levels(images, 2, levels)


def test_centre_brightness_is_the_median_of_the_middle() -> None:
    images = torch.full((2, 3, 16, 16), 255, dtype=torch.uint8)
    images[0, :, 4:12, 4:12] = 30
    images[1, 0, 4:12, 4:12] = 0
    images[1, :, 4:6, 4:12] = 7
    assert centre_brightness(images).tolist() == pytest.approx([30, 255 * (1 - 0.299)], abs=1e-3)

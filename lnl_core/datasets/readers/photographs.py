"""Photographs as one uint8 array: decoded, turned upright, cut to squares, and kept in a cache so that this happens once.

A file that cannot be read is named, counted and left out; it never stops the others. Photographs lie in a folder or in a
``.tar`` archive, which is read as a stream and never unpacked.
"""

import errno
import hashlib
import io
import json
import lzma
import os
import re
import tarfile
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from lnl_core._files import user_path, variable, write_atomically
from lnl_core.errors import ConfigError, DataError

# Pillow opens a named format only where its plugin has been imported.
_PLUGINS = (JpegImagePlugin, PngImagePlugin, WebPImagePlugin, BmpImagePlugin, GifImagePlugin, TiffImagePlugin, PpmImagePlugin)
FORMATS = tuple(name for name in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM") if name in Image.OPEN)
"""What is decoded. Pillow knows more, among them EPS, for which it starts another program."""
MAX_PIXELS = 64_000_000
"""A larger photograph is left out: a file of a few kB can claim to be one and ask for gigabytes."""
MAX_BYTES = 64 * 2**20
"""A larger file is left out."""
_CACHE_VERSION = 1
_ORIENTATION = 0x0112
_WEIGHTS = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Photographs:
    """What came of decoding.

    Attributes:
        images: (N, 3, S, S) uint8, the photographs that could be read.
        names: their N names, relative to the folder or archive, in the order asked for.
        kept: (N,) their places in the list that was asked for, or in the sorted list of all files.
        skipped: (name, reason) of each file that was left out.
        transient: whether one of them was left out for a reason that may pass, such as a disk that did not answer.
    """

    images: Tensor
    names: list[str]
    kept: NDArray[np.int64]
    skipped: list[tuple[str, str]]
    transient: bool = False

    def __len__(self) -> int:
        return len(self.images)


def cache_folder(cache_dir: Path | str | None = None) -> Path:
    """Where decoded photographs are kept: the argument, else ``LNL_CACHE_DIR``, else a cache in the home folder.

    The data folder is not used for it, since it may be shared or read-only.
    """
    chosen = cache_dir or variable("LNL_CACHE_DIR")
    return user_path(chosen) if chosen else Path.home() / ".cache" / "lnl_core" / "photographs"


# One photograph


def _open(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels are more than the {MAX_PIXELS:,} allowed")
    return image


def _upright(image: Image.Image) -> Image.Image:
    """Turned as the camera's EXIF tag says; a tag that cannot be read turns nothing."""
    try:
        if image.getexif().get(_ORIENTATION, 1) == 1:
            return image
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged tag can raise anything
        return image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):  # 16 or 32 bits a pixel, which Pillow would cut off at 255
        levels = np.asarray(image).astype(np.float64)
        levels = levels / 257 if image.mode.startswith("I") and levels.max(initial=0) > 255 else levels
        image = Image.fromarray(levels.clip(0, 255).astype(np.uint8))
    elif image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image if image.mode == "RGB" else image.convert("RGB")


def decode(data: bytes, size: int = 64, *, crop: bool = True) -> NDArray[np.uint8]:
    """One photograph as a square of ``size`` pixels.

    It is turned upright by its EXIF tag and made RGB: CMYK, greyscale and palettes are converted, 16 bits become 8, and what is
    transparent is laid on white, as a browser shows it. Only the first picture of an animation is taken.

    Args:
        data: the file's content.
        size: side S of the square in pixels.
        crop: resize the short side to S and cut out the centre; otherwise the whole picture is squeezed into the square.

    Returns:
        (3, S, S) uint8.

    Raises:
        Exception: of any kind, as Pillow raises them, where the data is no image, damaged or too large.
    """
    with _open(data) as image:
        # JPEGs are decoded at a half, a quarter or an eighth where that leaves twice the pixels needed.
        image.draft(None, (2 * size, 2 * size))
        whole = _upright(image)
        width, height = whole.size
        side = min(width, height)
        box = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2) if crop else None
        square = _rgb(whole).resize((size, size), Image.Resampling.BILINEAR, box=box)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, FileNotFoundError):
        return "missing"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than the {MAX_PIXELS:,} pixels allowed"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


# Where they come from


def is_archive(source: Path | str) -> bool:
    """Whether photographs would be read from an archive there, not from a folder."""
    return user_path(source).is_file()


def inner_folder(folder: Path) -> Path:
    """``folder``, or the folder of the same name in it, as where an archive was unpacked too deep: ``train/train``."""
    inner = folder / folder.name
    return inner_folder(inner) if inner.is_dir() and not any(folder.glob("*.jpg")) else folder


def _check_name(name: str, source: Path) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or re.match("[A-Za-z]:", name):
        raise DataError(f"{source} names {name!r}, which leads outside its folder: it is refused, get the published file again")


def _members(source: Path, mode: str) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    try:
        with tarfile.open(source, mode) as archive:  # type: ignore[call-overload]
            for member in archive:
                _check_name(member.name, source)
                if member.issym() or member.islnk():
                    raise DataError(f"{source} holds the link {member.name!r}: it is refused, pack the files themselves")
                if member.isfile():
                    yield archive, member
            if mode == "r:*":
                _check_end(archive)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise DataError(f"{source} cannot be read to its end as a .tar archive ({_reason(error)}): get it again") from None


def _check_end(archive: tarfile.TarFile) -> None:
    """tarfile takes a damaged header for the end of the archive; the true end is a block of zeros."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("cut off or damaged in the middle")


def list_photographs(source: Path | str) -> list[str]:
    """The names of all files in a folder and its subfolders, or in an archive, sorted. Hidden files are left out.

    Raises:
        DataError: if there is nothing there, or an archive is damaged, holds a link or names a path outside its folder.
    """
    source = user_path(source)
    if is_archive(source):
        names = {member.name for _, member in _members(source, "r:*")}
    elif source.is_dir():
        names = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    else:
        raise DataError(f"{source} does not exist: put the photographs there")
    found = sorted(name for name in names if not PurePosixPath(name).name.startswith("."))
    if not found:
        raise DataError(f"{source} holds no files: put the photographs there")
    return found


def _from_folder(source: Path, names: Sequence[str]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    def read(path: Path) -> bytes:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"more than the {MAX_BYTES:,} bytes allowed")
        return path.read_bytes()

    for name in names:
        yield name, lambda path=source / name: read(path)  # type: ignore[misc]


def _from_archive(source: Path, names: Sequence[str]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    wanted = set(names)

    def refuse() -> bytes:
        raise ValueError(f"more than the {MAX_BYTES:,} bytes allowed")

    for archive, member in _members(source, "r|*"):
        if member.name not in wanted:
            continue
        stream = None if member.size > MAX_BYTES else archive.extractfile(member)
        content = stream.read() if stream else None
        yield member.name, refuse if content is None else lambda content=content: content  # type: ignore[misc]


# All of them


def content_hashes(source: Path | str, names: Sequence[str]) -> dict[str, bytes]:
    """A hash of 16 bytes for each file of a folder or archive that can be read, by name; equal files have equal hashes.

    Raises:
        DataError: if an archive is damaged, holds a link or names a path outside its folder.
    """
    source = user_path(source)
    found = {}
    for name, load in (_from_archive if is_archive(source) else _from_folder)(source, names):
        with suppress(OSError, ValueError):  # decoding says what is wrong with it
            found[name] = hashlib.blake2b(load(), digest_size=16).digest()
    return found


def _in_threads(jobs: Iterable[tuple[str, Callable[[], bytes]]], work: Callable[[Callable[[], bytes]], Any], workers: int) -> Any:
    """Yield (name, result or exception) for each job, with only a few jobs' files in memory at a time."""
    waiting: deque[tuple[str, Future[Any]]] = deque()

    def first() -> tuple[str, Any]:
        name, future = waiting.popleft()
        return name, future.exception() or future.result()

    with ThreadPoolExecutor(workers) as pool:
        for name, load in jobs:
            waiting.append((name, pool.submit(work, load)))
            if len(waiting) > 16 * workers:
                yield first()
        while waiting:
            yield first()


def decode_all(
    source: Path, names: Sequence[str], size: int, crop: bool, workers: int | None = None, progress: bool | None = None
) -> Photographs:
    """:func:`load_photographs` without its checks, its cache and its warnings: any number of files may turn out unreadable."""
    workers = workers or os.cpu_count() or 1
    for name in names:
        _check_name(name, source)
    images = np.zeros((len(names), 3, size, size), dtype=np.uint8)
    place = {name: index for index, name in enumerate(names)}
    reasons = dict.fromkeys(names, "missing")
    transient = False
    jobs = (_from_archive if is_archive(source) else _from_folder)(source, names)
    bar = tqdm(total=len(names), desc=f"decoding {source.name}", unit="image", disable=None if progress is None else not progress)
    with warnings.catch_warnings(), bar:
        warnings.simplefilter("ignore")  # Pillow's remarks about odd files; a file that cannot be read is reported below
        for name, result in _in_threads(jobs, lambda load: decode(load(), size, crop=crop), workers):
            if isinstance(result, Exception):
                reasons[name] = _reason(result)
                transient |= isinstance(result, MemoryError) or getattr(result, "errno", None) not in (None, errno.ENOENT)
            elif isinstance(result, BaseException):
                raise result
            else:
                images[place[name]] = result
                reasons.pop(name, None)
            bar.update()
    kept = np.array([index for index, name in enumerate(names) if name not in reasons], dtype=np.int64)
    for index, old in enumerate(kept):  # in place: a copy would double the memory
        if index != old:
            images[index] = images[old]
    return Photographs(torch.from_numpy(images[: len(kept)]), [names[i] for i in kept], kept, list(reasons.items()), transient)


def file_state(path: Path) -> tuple[int, int]:
    """Size and time of a file, which tell whether it is still the same; (-1, -1) where there is none."""
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _fingerprint(source: Path, names: Sequence[str] | None, size: int, crop: bool) -> str:
    """A hash of all that the decoded array depends on: which files, their sizes and times, and what is made of them."""
    files: Any = file_state(source) if is_archive(source) else [file_state(source / name) for name in names or ()]
    inputs = [_CACHE_VERSION, PIL.__version__, str(source.resolve()), names, files, size, crop, MAX_PIXELS, MAX_BYTES]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def _checksum(images: Tensor, kept: Tensor) -> int:
    return zlib.crc32(kept.numpy().data, zlib.crc32(images.numpy().data))


def _read_cache(path: Path, key: str, size: int) -> Photographs | None:
    """The decoded photographs in ``path``, or None if there are none; a damaged file is set aside."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["lnl_core"])
            images, kept = file.get_tensor("images"), file.get_tensor("kept")
        if about["key"] != key or about["crc32"] != _checksum(images, kept):
            raise ValueError("its content is not what was written")
        if images.dtype != torch.uint8 or images.shape != (len(about["names"]), 3, size, size) or len(kept) != len(images):
            raise ValueError("its arrays have other shapes")
        return Photographs(images, about["names"], kept.numpy(), [(name, reason) for name, reason in about["skipped"]])
    except (SafetensorError, ValueError, KeyError, TypeError, OSError, AttributeError) as error:
        aside = path.with_name(path.name + ".damaged")
        warnings.warn(f"{path} is damaged ({_reason(error)}): it is set aside as {aside.name} and made again", stacklevel=4)
        with suppress(FileNotFoundError):  # another process was faster
            path.replace(aside)
        return None


def _write_cache(path: Path, key: str, found: Photographs) -> None:
    kept = torch.from_numpy(found.kept)
    about = {"key": key, "names": found.names, "skipped": found.skipped, "crc32": _checksum(found.images, kept)}
    tensors = {"images": found.images, "kept": kept}
    try:
        write_atomically(path, lambda temporary: save_file(tensors, temporary, {"lnl_core": json.dumps(about)}))
    except (OSError, SafetensorError) as error:
        warnings.warn(
            f"the decoded photographs cannot be kept in {path.parent} ({_reason(error)}): set LNL_CACHE_DIR", stacklevel=4
        )


def _tell_skipped(source: Path, found: Photographs, total: int) -> None:
    if len(found) == 0:
        name, reason = found.skipped[0]
        raise DataError(f"none of the {total:,} files in {source} can be read as an image ({name}: {reason}): get them again")
    if found.skipped:
        first = ", ".join(f"{name} ({reason})" for name, reason in found.skipped[:3])
        more = ", ..." if len(found.skipped) > 3 else ""
        warnings.warn(f"{len(found.skipped):,} of {total:,} files in {source} were left out: {first}{more}", stacklevel=4)


def load_photographs(
    source: Path | str,
    names: Sequence[str] | None = None,
    *,
    size: int = 64,
    crop: bool = True,
    cache: bool = True,
    cache_dir: Path | str | None = None,
    workers: int | None = None,
    progress: bool | None = None,
) -> Photographs:
    """Decode photographs of a folder or a ``.tar`` archive, or read them from the cache if this was done before.

    The cache is one safetensors file for each list of files and each ``size`` and ``crop``, named by a hash of the files' names,
    sizes and times (for an archive, of its own size and time); what changes makes another file. A file left out stays listed.

    Args:
        source: a folder, or an archive, packed or not (``.tar``, ``.tar.gz``).
        names: which files, relative to ``source``; by default all, sorted, except hidden ones.
        size, crop: see :func:`decode`.
        cache: whether to read and write the cache.
        cache_dir: folder of the cache, see :func:`cache_folder`.
        workers: threads that decode, by default one a processor. Pillow decodes and resizes outside the interpreter's lock.
        progress: show a bar; by default where there is a terminal.

    Returns:
        Photographs: a warning names the first files left out.

    Raises:
        ConfigError: a size below 1.
        DataError: nothing there, a name or an archive member that leads outside its folder, a link in an archive, a damaged
            archive, or no file that can be read.
    """
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 1 <= size <= 4096:
        raise ConfigError(f"size must be a whole number of pixels from 1 to 4096, got {size!r}")
    source = user_path(source)
    listed = list_photographs(source) if names is None else list(names)
    if len(set(listed)) != len(listed):
        raise DataError("the same photograph is asked for twice: name each one once")
    if not listed:
        raise DataError(f"no photograph of {source} is asked for: name at least one")
    if not source.exists():
        raise DataError(f"{source} does not exist: put the photographs there")
    key = _fingerprint(source, listed, int(size), crop)
    path = cache_folder(cache_dir) / f"{source.stem}-{size}-{key[:20]}.safetensors"
    found = _read_cache(path, key, int(size)) if cache else None
    if found is None:
        found = decode_all(source, listed, int(size), crop, workers, progress)
        if cache and len(found) and not found.transient:
            _write_cache(path, key, found)
    _tell_skipped(source, found, len(listed))
    return found


def reorder(images: Tensor, order: NDArray[np.int64]) -> Tensor:
    """Put ``images[order]`` in the place of ``images``: a permutation without a second copy of what may fill the memory.

    Args:
        images: (N, ...), changed in place.
        order: (N,) each of 0..N-1 once.

    Returns:
        ``images``.
    """
    done = np.zeros(len(order), dtype=bool)
    for start in range(len(order)):
        if done[start]:
            continue
        first, place = images[start].clone(), start
        while not done[place]:
            done[place] = True
            images[place] = first if order[place] == start else images[order[place]]
            place = order[place]
    return images


# What is measured on them


def color_levels(images: Tensor, places: int, levels: int = 8) -> Tensor:
    """Colour bias labels: a small nearest-neighbour image, each channel cut into even levels (section 5.1 of the paper).

    Colored MNIST's loader does the same with every second pixel; nothing is background here, so no place is left out.

    Args:
        images: (N, 3, S, S) uint8.
        places: side P of the small image; place i holds the pixel at floor((i + 1/2) S / P), as PIL's nearest neighbour does.
        levels: number K of levels, each 256 / K wide.

    Returns:
        (N, 3, P, P) uint8 in 0..K-1.

    Raises:
        ConfigError: more places than pixels, or a number of levels that does not divide 256.
    """
    side = images.shape[-1]
    if not 1 <= places <= side:
        raise ConfigError(f"places must lie between 1 and the image's {side} pixels, got {places}")
    if not 1 <= levels <= 256 or 256 % levels:
        raise ConfigError(f"levels must divide 256, got {levels}")
    index = torch.tensor([(2 * place + 1) * side // (2 * places) for place in range(places)])
    return images[:, :, index][..., index] // (256 // levels)


def centre_brightness(images: Tensor) -> Tensor:
    """Median luminance of the middle half of each image, where the subject mostly is.

    Args:
        images: (N, 3, S, S) uint8.

    Returns:
        (N,) float32 in 0..255, the luminance being 0.299 R + 0.587 G + 0.114 B.
    """
    side = images.shape[-1]
    low, high = side // 4, side - side // 4
    found = torch.empty(len(images))
    for start in range(0, len(images), 1024):
        centre = images[start : start + 1024, :, low:high, low:high].float()
        luminance = (centre * torch.tensor(_WEIGHTS).view(1, 3, 1, 1)).sum(dim=1)
        found[start : start + 1024] = luminance.flatten(1).median(dim=1).values
    return found

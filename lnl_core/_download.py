"""Published files: downloaded once, whole or not at all, and checked by their hash."""

from pathlib import Path

from lnl_core.errors import DataError


def download(address: str, known_hash: str, path: Path) -> Path:
    """Fetch a file that is not there.

    Args:
        address: of the file.
        known_hash: as ``md5:...`` or ``sha256:...``.
        path: where it is put.

    Raises:
        DataError: if what came is another file; then nothing is left.
        OSError: without a network, if the server does not have it, or if it cannot be written.
    """
    import pooch

    log = pooch.get_logger()
    level = log.level
    log.setLevel("WARNING")  # it would name a folder and a hash that nobody asked for
    try:
        pooch.retrieve(address, known_hash, path.name, path.parent, downloader=pooch.HTTPDownloader(timeout=20))
    except ValueError:
        came = f"{path.name} as downloaded from {address.removesuffix(f'/{path.name}')}"
        raise DataError(f"{came} is not the file as published: put theirs into {path.parent} by hand") from None
    finally:
        log.setLevel(level)
    return path

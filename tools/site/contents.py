"""The chapters in the order of ``_toc.yml``, the one place that says which page follows which."""

import re
from itertools import pairwise
from pathlib import Path

import yaml

from tools import ROOT
from tools.site.notebooks import read_script

REFERENCE = "Reference"
"""The caption of the last part. Its pages are looked things up in; those of all other parts are chapters, to be read."""
_NEXT = re.compile(r"^Next: .*?\]\((?P<target>[^)#\s]+)\)", re.MULTILINE | re.DOTALL)


def parts(root: Path = ROOT) -> dict[str, list[str]]:
    """The documents of each part by its caption, such as "book/theory" or "notebooks/01_biased_data"."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return {part["caption"]: [chapter["file"] for chapter in part["chapters"]] for part in toc["parts"]}


def chapters(root: Path = ROOT) -> list[str]:
    """The documents to be read, in order: those of all parts but the reference."""
    return [document for caption, documents in parts(root).items() if caption != REFERENCE for document in documents]


def source(document: str, root: Path = ROOT) -> Path:
    """The file that is edited: a Markdown page or a percent script."""
    page = root / f"{document}.md"
    return page if page.is_file() else root / f"{document}.py"


def prose(document: str, root: Path = ROOT) -> str:
    """The Markdown of a page, or of a notebook's cells."""
    path = source(document, root)
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(cell.source for cell in read_script(path).cells if cell.cell_type == "markdown")


def linked(document: str, target: str) -> str:
    """The document that a link in ``document`` leads to."""
    folder = [*Path(document).parent.parts]
    for part in Path(target).with_suffix("").parts:
        folder = folder[:-1] if part == ".." else [*folder, part]
    return "/".join(folder)


def wrong_ways(root: Path = ROOT) -> list[str]:
    """A sentence for each notebook whose "Next:" does not lead to the page that follows in the contents."""
    found = []
    for document, following in pairwise(chapters(root)):
        if document.startswith("notebooks/"):
            ways = [linked(document, match["target"]) for match in _NEXT.finditer(prose(document, root))]
            if ways != [following]:
                said = " and ".join(ways) or "nothing"
                found.append(f"{document}: what comes next is {following} by _toc.yml, and the notebook's last lines name {said}")
    return found

"""Print the built site into one PDF with Chromium: ``make pdf``.

python -m tools.site.pdf [FILE]

The pages follow each other as in the contents; the list of records, which needs JavaScript, and the reference of the library are
left out. Folds are open, formulas are set, links lead to places of the same file, and an experiment is its picture and its table.
"""

import sys
from pathlib import Path
from threading import Thread

from tools import ROOT
from tools.pipes import while_read
from tools.site.browser import chromium
from tools.site.contents import documents
from tools.site.serve import SITE, server

JOIN = """async names => {
    const article = document.querySelector("article.bd-article"), parts = [], contents = document.createElement("ol");
    let formulas = null;
    for (const name of names) {
        const address = new URL(`../${name}.html`, location.href), answer = await fetch(address);
        if (!answer.ok) throw new Error(`${name} has not been built`);
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        formulas ??= page.querySelector('script[src*="/mathjax/"]')?.getAttribute("src");
        const part = document.createElement("section"), line = document.createElement("li"), link = document.createElement("a");
        link.href = `#${name}`;
        link.textContent = page.title.split(" \u2014 ")[0];
        line.append(link);
        contents.append(line);
        part.id = name;
        part.style.breakBefore = "page";
        part.append(...page.querySelector("article.bd-article").childNodes);
        part.querySelectorAll("script").forEach(one => one.remove());
        part.querySelectorAll("noscript").forEach(one => one.replaceWith(...one.childNodes));
        part.querySelectorAll(".needs-script").forEach(one => one.remove());
        part.querySelectorAll("a[href]").forEach(link => {
            const to = new URL(link.getAttribute("href"), address), there = to.pathname.slice(1).replace(/\\.html$/, "");
            if (to.origin !== location.origin) return;
            if (names.includes(there)) link.setAttribute("href", to.hash || `#${there}`);
            else link.removeAttribute("href");
        });
        parts.push(part);
    }
    article.replaceChildren(...parts);
    document.querySelector("#jb-print-toc")?.replaceChildren(contents);
    document.querySelectorAll("details").forEach(one => { one.open = true; });
    document.querySelectorAll(".toggle-hidden").forEach(one => one.classList.remove("toggle-hidden"));
    document.documentElement.dataset.theme = "light";
    if (formulas && !window.MathJax?.startup) await new Promise((done, failed) => {  // the first page has none of its own
        document.head.append(Object.assign(document.createElement("script"), { src: formulas, onload: done, onerror: failed }));
    });
    if (window.MathJax?.startup) { await MathJax.startup.promise; await MathJax.typesetPromise([article]); }
    await Promise.all([...document.images].map(one => { one.loading = "eager"; return one.decode().catch(() => null); }));
    return parts.length;
}"""


def printed(names: list[str]) -> list[str]:
    """The documents that make sense on paper."""
    return [name for name in names if name not in ("book/records", "book/record") and not name.startswith("book/api")]


def write_pdf(target: Path, names: list[str], site: Path = SITE) -> Path:
    """Print ``names`` of the site into ``target``.

    Raises:
        FileNotFoundError: if there is no site, no Playwright or no Chromium, with what to do.
    """
    found = server(site, port=0)
    Thread(target=found.serve_forever, daemon=True).start()
    try:
        with chromium("a PDF is printed") as browser:
            page = browser.new_page()
            page.set_default_timeout(600_000)
            page.goto(f"http://127.0.0.1:{found.server_port}/{names[0]}.html")
            page.evaluate(JOIN, names)
            page.pdf(path=str(target), format="A4", print_background=True, outline=True, tagged=True)
    finally:
        found.shutdown()
        found.server_close()
    return target


def main(arguments: list[str]) -> int:
    target = Path(arguments[0]) if arguments else ROOT / "_build" / "book.pdf"
    names = printed(documents())
    try:
        write_pdf(target, names)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(names)} pages of the site are in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(while_read(lambda: main(sys.argv[1:])))

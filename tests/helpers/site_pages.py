"""What the pages of the built site link to and load."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}


@dataclass
class Page(HTMLParser):
    """One HTML file: its links, the files it loads, its anchors."""

    path: Path
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    images: list[tuple[str, str | None]] = field(default_factory=list)  # file and alternative text

    def __post_init__(self):
        super().__init__()
        self.feed(self.path.read_text())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "link" and set(found["rel"].split()) & {"stylesheet", "icon", "preload", "shortcut"}:
            self.loads.append(found["href"])
        if tag == "img":
            self.images.append((found.get("src", ""), found.get("alt")))
        if LOADED.get(tag) in found:
            self.loads.append(found[LOADED[tag]])
        self.loads += loaded_by_css(found.get("style") or "")

    def target(self, link):
        """Return the file and the anchor of a link inside the site; (None, "") of one to another host."""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return None, ""
        file = (self.path.parent / unquote(parts.path)).resolve() if parts.path else self.path.resolve()
        return file, unquote(parts.fragment)


def loaded_by_css(text):
    """Return what a style sheet loads."""
    return re.findall(r"""(?:url\(\s*|@import\s+)["']?([^"')\s]+)""", text)


def pages(site):
    """Return every page by its path."""
    return {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}

"""The page as one file: its scripts, its style, and another module in the place of the WebSocket.

Modules import each other by names such as ``"./maps.js"``. In one file there are no addresses for them; an
import map says instead that ``lab/maps.js`` is the text of the module.
"""

import json
import re
from pathlib import Path
from urllib.parse import quote

PAGE = Path(__file__).parent / "page"
_IMPORT = re.compile(r'from "\./([\w.]+)"')


def one_file(wire: str, recording: bool = False) -> str:
    """Return the page as HTML that needs no server.

    Parameters
    ----------
    wire
        The module in the place of ``wire.js``: ``recorded.js`` answers from what was recorded, ``comm.js``
        asks the notebook around the page.
    recording
        Leave a place for what was recorded: the element ``recording``, with ``null`` in it.
    """
    sources: dict[str, str] = {}
    waiting = ["main.js", wire]
    while waiting:
        name = waiting.pop()
        if name not in sources:
            sources[name] = (PAGE / name).read_text(encoding="utf-8")
            waiting += _IMPORT.findall(sources[name])
    imports = {
        f"lab/{name}": "data:text/javascript;charset=utf-8," + quote(_IMPORT.sub(r'from "lab/\1"', source))
        for name, source in sources.items()
    }
    imports["lab/wire.js"] = imports[f"lab/{wire}"]
    scripts = [f'<script type="importmap">{json.dumps({"imports": imports})}</script>']
    if recording:
        scripts.append('<script type="application/json" id="recording">null</script>')
    scripts.append('<script type="module">import "lab/main.js";</script>')
    style = (PAGE / "style.css").read_text(encoding="utf-8")
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    html = re.sub(r"<link [^>]*>\n|<script [^>]*></script>\n", "", html)
    html = html.replace("</head>", f"<style>\n{style}</style>\n</head>")
    return html.replace("</body>", "\n".join([*scripts, "</body>"]))

"""The lab in a notebook: the same page, which asks the notebook's Python in place of a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn import data
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

from .network import Network
from .onefile import one_file
from .session import Session, respond

# The page stands in a frame of its own, so that neither it nor the notebook changes the other's look.
ESM = """
function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.style = `width: 100%; border: 0; height: ${model.get("height")}px`;
  const { body, documentElement } = document;
  const light = body.dataset.jpThemeLight; // JupyterLab's
  const dark = documentElement.getAttribute("theme") === "dark" || body.classList.contains("vscode-dark");
  const around = light === "false" || dark ? "dark" : light === "true" ? "light" : "";
  const html = model.get("html");
  frame.srcdoc = around ? html.replace("<html", `<html data-around="${around}"`) : html;
  const fromPage = (event) => {
    if (event.source === frame.contentWindow && typeof event.data?.ask === "string") {
      model.send({ ask: event.data.ask });
    }
  };
  const fromPython = (content, buffers) => {
    const bytes = buffers.map((b) => b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength));
    frame.contentWindow?.postMessage({ answer: content.answer ?? bytes[0] }, "*");
  };
  window.addEventListener("message", fromPage);
  model.on("msg:custom", fromPython);
  el.append(frame);
  return () => {
    window.removeEventListener("message", fromPage);
    model.off("msg:custom", fromPython);
  };
}
export default { render };
"""


def view(model: Module, image: Any = None, classes: Sequence[str] | None = None, height: int = 760) -> Any:
    """Return a widget that shows a classifier on an image: maps, sums, gradients, training.

    Parameters
    ----------
    model
        The network, from (N, C, H, W) to logits (N, K). It stays as it is: the page trains a copy.
    image
        (C, H, W) or (H, W) in [0, 1]. Without one, the first of the embedded test digits.
    classes
        The K classes' names, by default 0 to K-1.
    height
        Of the widget, in pixels.

    Raises
    ------
    ImportError
        If anywidget is not installed.
    ValueError
        If the image is none, or does not fit the model.
    """
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise ImportError("the widget needs anywidget: pip install 'tinycnn[lab]'") from error

    session = session_of(model, image, classes)

    class Lab(anywidget.AnyWidget):
        _esm = ESM
        html = traitlets.Unicode(one_file("comm.js")).tag(sync=True)
        height = traitlets.Int(760).tag(sync=True)

        def asked(self, _: Any, content: Any, buffers: Any) -> None:
            """Answer a message of the page."""
            answer = respond(session, content.get("ask") if isinstance(content, dict) else None)
            if isinstance(answer, str):
                self.send({"answer": answer})
            else:
                self.send({}, [answer])

    widget = Lab(height=height)
    widget.on_msg(widget.asked)
    return widget


def session_of(model: Module, image: Any, classes: Sequence[str] | None) -> Session:
    """Return a page's session for a model and an image; raises as `view`."""
    train, test = data.digits()
    if image is None:
        array = test.scaled([0])[0]
    else:
        array = np.asarray(image.numpy() if isinstance(image, Tensor) else image, np.float32)
        array = array[None] if array.ndim == 2 else array
    if array.ndim != 3 or not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
        raise ValueError(f"the image must be (C, H, W) or (H, W) in [0, 1], got shape {array.shape}")
    C, H, W = array.shape
    K = model.summary((C, H, W)).layers[-1].output_shape[0]
    names = tuple(map(str, range(K))) if classes is None else tuple(classes)
    if len(names) != K:
        raise ValueError(f"the model has K={K} outputs, got {len(names)} names of classes")
    fits = (train.image_shape, train.classes) == ((C, H, W), names)
    network = Network(
        model, type(model).__name__, names, (C, H, W), train if fits else None, test if fits else None
    )
    session = Session(network)
    session.picture = array
    session.begins_with_picture = image is not None
    return session

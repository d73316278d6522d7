"""The lab: a page of this machine that shows your network on your picture, forward and backward.

``tinycnn lab`` serves it. The page draws what the engine computes and computes no activation itself:

=========== ===============================================================================
`network`   a network with its classes and pictures: a run's, or a small one, trained at once
`picture`   drawn, uploaded and test pictures as what a network takes
`trace`     one run of the network: every array on the way, and every gradient
`between`   what a network computes between layers: additions, concatenations
`applied`   which function of the engine a layer applies
`why`       the step that computes one cell, from `tinycnn.explain`
`build`     networks that are put together on the page
`folders`   run folders that a page may read and write
`training`  training on the page, one step or many
`latent`    a trained GAN, from z to the verdict
`session`   one open page: its network, its picture, and what it may ask
`onefile`   the page as one file
`widget`    the page in a notebook: `view`
`wire`      messages: checked when they come in, packed when they go out
`guard`     who may talk to the server
`server`    the server: Starlette and uvicorn, on the loopback address only
``page/``   the page: HTML, CSS and JavaScript modules as they are written, without a build step
=========== ===============================================================================
"""

from .folders import load_network
from .network import Network, small_network
from .server import serve
from .widget import view

__all__ = ["Network", "load_network", "serve", "small_network", "view"]

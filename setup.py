"""Tells setuptools where `tinycnn.kernels` lies. Everything else is in pyproject.toml.

In the repository it is the folder kernels/, and tinycnn/kernels is a symbolic link to it. With the link, an
editable install is one line in a .pth file, the folder of this file, and Python finds `tinycnn` from every
folder. Where links are missing (a zip that was downloaded, Windows) the folder is named here.
"""

from pathlib import Path

from setuptools import setup

linked = (Path(__file__).parent / "tinycnn" / "kernels").is_dir()
setup(package_dir={"": "."} if linked else {"tinycnn": "tinycnn", "tinycnn.kernels": "kernels"})

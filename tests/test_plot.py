import warnings

import numpy as np
import pytest

from tinycnn import plot

NAMES = {
    "Chinese": "猫",
    "Hindi": "कुत्ता",
    "no UTF-8": "dog\udce9",  # what Python makes of a folder's name in Latin-1
    "a formula": r"$\frac{$",
    "an empty formula": "$^$",
    "dollars": "$$",
    "control characters": "a\nb\x1b[31m",
    "long": "x" * 5000,
}


def figures(*names):
    classes = (*names, "dog", "emu")
    K = len(classes)
    images, labels = np.zeros((2 * K, 1, 4, 4), np.float32), np.tile(np.arange(K), 2)
    yield plot.sample_grid(images, labels, classes)
    yield plot.confusion_matrix(np.ones((K, K), int), classes)
    yield plot.prediction_grid(images, labels, np.eye(K)[labels[::-1]], classes)


def test_class_names_of_all_kinds_are_drawn_without_a_word(tmp_path, recwarn):
    for figure in figures(*NAMES.values()):
        figure._repr_png_()
        plot.save(figure, tmp_path / "a.png")
        assert plot.pixels(figure).std() > 0
    assert not recwarn.list


def test_a_notebook_gets_the_alternative_text_with_the_picture():
    figure = plot.described(plot.blank_figure(1, 1), "An empty\n   picture.")
    picture, told = figure._repr_png_()
    assert picture.startswith(b"\x89PNG") and told == {"alt": "An empty picture."}
    assert plot.blank_figure(1, 1)._repr_png_()[1] == {}


def test_what_cannot_carry_an_alternative_text_is_refused():
    from matplotlib.figure import Figure

    with pytest.raises(TypeError, match="blank_figure"):
        plot.described(Figure(), "A picture.")
    with pytest.raises(ValueError, match="say in a sentence"):
        plot.described(plot.blank_figure(1, 1), " ")


def texts(figure):
    import matplotlib.text

    return {text.get_text() for text in figure.findobj(matplotlib.text.Text)}


def test_names_are_drawn_as_they_are():
    for name in ("猫", "$$", r"$\alpha$"):
        for figure in figures(name):
            assert any(name in text for text in texts(figure))


def test_what_cannot_be_drawn_is_replaced_and_what_is_long_is_cut():
    assert plot.shown("dog\udce9\n") == "dog��"
    assert plot.shown("x" * 32) == "x" * 32
    assert plot.shown("x" * 33) == "x" * 31 + "…"


def test_a_font_for_the_script_is_used_where_there_is_one(monkeypatch):
    installed = ["DejaVu Sans", "DejaVu Serif"]
    monkeypatch.setattr("matplotlib.font_manager.get_font_names", lambda: installed)
    monkeypatch.setattr(plot, "MORE_FONTS", ("No Such Font", "DejaVu Serif"))
    plot._more_fonts.cache_clear()
    try:
        assert plot.name_style()["family"][1:] == ["DejaVu Serif"]
    finally:
        plot._more_fonts.cache_clear()


def test_other_warnings_are_not_hidden():
    with pytest.warns(UserWarning, match="something else"), plot._missing_glyphs_allowed():
        warnings.warn("something else", stacklevel=1)

import numpy as np
import pytest
from PIL import Image

from tinycnn.pictures import save_gif, save_png, tile


def test_tile_puts_images_in_rows():
    images = np.linspace(0, 1, 5, dtype=np.float32).reshape(5, 1, 1, 1) * np.ones((1, 1, 2, 3), np.float32)
    sheet = tile(images, columns=2, gap=1)
    assert sheet.shape == (3 * 2 + 2, 2 * 3 + 1)
    assert [sheet[0, 0], sheet[0, 4], sheet[3, 0], sheet[3, 4], sheet[6, 0]] == [0, 64, 128, 191, 255]
    assert tile(np.zeros((7, 3, 4, 4), np.float32)).shape == (3 * 5 - 1, 3 * 5 - 1, 3)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((0, 1, 2, 2)), "N > 0"),
        (np.zeros((2, 2, 2, 2)), "C=1 or 3"),
        (np.full((1, 1, 2, 2), -0.5), r"in \[0, 1\], got -0.5"),
        (np.full((1, 1, 2, 2), np.nan), r"in \[0, 1\], got nan"),
    ],
)
def test_tile_refuses(images, says):
    with pytest.raises(ValueError, match=says):
        tile(images)


def test_png_and_gif_come_back(tmp_path, rng):
    pixels = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    save_png(pixels, tmp_path / "a.png", zoom=2)
    back = np.asarray(Image.open(tmp_path / "a.png"))
    np.testing.assert_array_equal(back[::2, 1::2], pixels)
    save_gif([np.full((4, 4), level, np.uint8) for level in (0, 100, 200)], tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 3
        gif.seek(2)
        assert np.asarray(gif.convert("L"))[0, 0] == 200
    with pytest.raises(ValueError, match="at least one frame"):
        save_gif([], tmp_path / "b.gif")
    with pytest.raises(OSError, match="cannot write"):
        save_png(pixels, tmp_path / "no" / "a.png")

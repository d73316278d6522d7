import numpy as np

from tinycnn.data import emoji


def test_the_embedded_emoji():
    train, test = emoji()
    assert train.images.shape == (320, 3, 32, 32)
    assert test.images.shape == (80, 3, 32, 32)
    assert np.bincount(train.labels).tolist() == [80] * 4
    assert np.bincount(test.labels).tolist() == [20] * 4
    assert train.classes == test.classes == ("animals", "flags", "food", "smileys")
    known = {image.tobytes() for image in train.images}
    assert not any(image.tobytes() in known for image in test.images)
    corners = np.concatenate([part.images[:, :, 0, 0] for part in (train, test)])
    assert (corners == 255).all(axis=1).mean() > 0.8  # on white
    smileys = train.images[train.labels == 3].mean(axis=(0, 2, 3))
    assert smileys[2] < smileys[0]  # yellow: RGB, not BGR

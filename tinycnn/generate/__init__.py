"""Images made at random (Eq. 9), by a rule (Eq. 10), and by a trained generator (Eq. 11).

The images are uint8: (H, W) if grey, (H, W, 3) if RGB.
"""

from .images import learned, random_image, rule_image
from .rules import RULES

__all__ = ["RULES", "learned", "random_image", "rule_image"]

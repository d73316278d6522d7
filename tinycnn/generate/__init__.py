"""Images made at random (Eq. 9), by a rule (Eq. 10), and by a trained generator (Eq. 11).

Images that come out are uint8: (H, W) where grey, (H, W, 3) where RGB.
"""

from .generator import learned
from .images import random_image, rule_image
from .rules import RULES

__all__ = ["RULES", "learned", "random_image", "rule_image"]

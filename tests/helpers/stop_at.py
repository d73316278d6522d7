"""A training that is stopped in its middle."""

import os
import signal

from tinycnn.fit import Callback


class StopAt(Callback):
    """Send this process Ctrl-C after one batch."""

    def __init__(self, epoch, batch):
        self.at = epoch, batch

    def on_batch_end(self, training):
        if (training.epoch, training.batch) == self.at:
            os.kill(os.getpid(), signal.SIGINT)

import numpy as np


# %% your code
class Adam:
    """Adam for a list of tensors."""

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps = parameters, lr, betas, eps
        self.t = 0
        self.m = [np.zeros(p.data.shape) for p in parameters]
        self.v = [np.zeros(p.data.shape) for p in parameters]

    def step(self):
        """Change the parameters by their gradients."""
        self.t += 1
        beta1, beta2 = self.betas
        for i, p in enumerate(self.parameters):
            self.m[i] = beta1 * self.m[i] + (1 - beta1) * p.grad
            self.v[i] = beta2 * self.v[i] + (1 - beta2) * p.grad**2
            m, v = self.m[i] / (1 - beta1**self.t), self.v[i] / (1 - beta2**self.t)
            p.data = p.data - self.lr * m / (np.sqrt(v) + self.eps)

    def zero_grad(self):
        """Set the gradients to None."""
        for p in self.parameters:
            p.grad = None

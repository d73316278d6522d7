"""Train a convolutional network on real handwritten digits, with the training loop in the open."""

import tinycnn
from tinycnn import functional as F
from tinycnn import nn, optim
from tinycnn.data import Augment, DataLoader, digits
from tinycnn.metrics import accuracy


class Net(nn.Module):
    """Two convolutions, each halved by pooling, then two dense layers."""

    def __init__(self):
        self.conv1 = nn.Conv2d(1, 32, 3)  # 1x28x28 -> 32x26x26
        self.conv2 = nn.Conv2d(32, 64, 3)  # 32x13x13 -> 64x11x11
        self.dense1 = nn.Linear(64 * 5 * 5, 64)
        self.dense2 = nn.Linear(64, 10)

    def forward(self, x):
        """Return one logit a digit."""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.dense1(F.flatten(x, 1)))
        return self.dense2(x)


tinycnn.manual_seed(0)
train, test = digits()
batches = DataLoader(train, batch_size=32, shuffle=True, augment=Augment(shift=2))
net, epochs = Net(), 4
optimizer = optim.Adam(net.parameters())
schedule = optim.OneCycleLR(optimizer, max_lr=4e-3, total_steps=epochs * len(batches))
for epoch in range(epochs):
    for images, labels in batches:
        loss = F.cross_entropy(net(images), labels)  # forward: the graph is recorded
        optimizer.zero_grad()
        loss.backward()  # backward: dL/d(every weight)
        optimizer.step()  # a step against the gradient
        schedule.step()
    with tinycnn.no_grad():
        logits = net(tinycnn.Tensor(test.scaled(slice(None))))
    right = accuracy(test.labels, logits.argmax(1).numpy())
    print(f"epoch {epoch + 1}: loss {loss.item():.3f}, test accuracy {right:.2%}")
assert right > 0.97, right

# %% your code
class Value:
    """A number, its gradient, and how it was made."""

    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents = data, 0.0, parents
        self.hand_on = lambda: None

    def __add__(self, other):
        y = Value(self.data + other.data, (self, other))

        def hand_on():
            self.grad += y.grad
            other.grad += y.grad

        y.hand_on = hand_on
        return y

    def __mul__(self, other):
        y = Value(self.data * other.data, (self, other))

        def hand_on():
            self.grad += other.data * y.grad
            other.grad += self.data * y.grad

        y.hand_on = hand_on
        return y

    def relu(self):
        y = Value(max(self.data, 0.0), (self,))

        def hand_on():
            self.grad += y.grad if self.data > 0 else 0.0

        y.hand_on = hand_on
        return y

    def backward(self):
        order, seen = [], set()

        def visit(value):
            if id(value) not in seen:
                seen.add(id(value))
                for parent in value.parents:
                    visit(parent)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            value.hand_on()

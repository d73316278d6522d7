import numpy as np


def unbroadcast_loops(g, shape):
    out = np.zeros(shape)
    new = g.ndim - len(shape)
    for index in np.ndindex(*g.shape):
        out[tuple(0 if size == 1 else i for i, size in zip(index[new:], shape, strict=True))] += g[index]
    return out


def unbroadcast_one_sum(g, shape):
    padded = (1,) * (g.ndim - len(shape)) + tuple(shape)
    return g.sum(tuple(d for d, size in enumerate(padded) if size == 1), keepdims=True).reshape(shape)


def unbroadcast_numbers(g, shape):
    """Broadcast the places themselves, and count g at each."""
    count = int(np.prod(shape))
    places = np.broadcast_to(np.arange(count).reshape(shape), g.shape)
    return np.bincount(places.ravel(), g.ravel(), count).reshape(shape)


def order_with_iterators(root):
    order, seen, stack = [], {id(root)}, [(root, iter(root.inputs))]
    while stack:
        node, inputs = stack[-1]
        for x in inputs:
            if id(x) not in seen:
                seen.add(id(x))
                stack.append((x, iter(x.inputs)))
                break
        else:
            order.append(node)
            stack.pop()
    return order


def order_by_counting(root):
    """Kahn: a node is ready when all that use it are done; then turned around."""
    nodes, uses = [root], {}
    for node in nodes:
        for x in node.inputs:
            if x not in uses:
                nodes.append(x)
            uses[x] = uses.get(x, 0) + 1
    order, ready = [], [root]
    while ready:
        node = ready.pop()
        order.append(node)
        for x in node.inputs:
            uses[x] -= 1
            if uses[x] == 0:
                ready.append(x)
    return order[::-1]


def order_by_depth(root):
    """By the longest way down to a leaf."""
    found = [root]
    seen = {root}
    for node in found:
        for x in node.inputs:
            if x not in seen:
                seen.add(x)
                found.append(x)
    depth = dict.fromkeys(found, 0)
    changed = True
    while changed:
        changed = False
        for node in reversed(found):
            d = max((depth[x] + 1 for x in node.inputs), default=0)
            if d > depth[node]:
                depth[node], changed = d, True
    return tuple(sorted(found, key=depth.get))


def random_image_loops(rng, height, width):
    x = np.zeros((height, width), dtype="uint8")
    for i in range(height):
        x[i] = rng.choice(256, width)
    return x


def rule_image_loops(f, height, width):
    x = np.zeros((height, width), np.uint8)
    for i in range(height):
        for j in range(width):
            x[i, j] = round(float(f(i, j)) * 255)
    return x


def rule_image_rows(f, height, width):
    rows = [f(np.full(width, i), np.arange(width)) for i in range(height)]
    return np.round(np.stack(rows) * 255).astype("uint8")


def rule_image_open_grid(f, height, width):
    i, j = np.arange(height)[:, None], np.arange(width)[None]
    y = np.broadcast_to(f(i, j), (height, width))
    return (y * 255 + 0.5).astype(np.uint8)


def scores_from_the_matrix(labels, predictions, K):
    matrix = np.zeros((K, K))
    np.add.at(matrix, (labels, predictions), 1)
    right, occurring, predicted = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    there = occurring + predicted > 0
    p = np.divide(right, predicted, out=np.zeros(K), where=predicted > 0)[there]
    r = np.divide(right, occurring, out=np.zeros(K), where=occurring > 0)[there]
    f1 = np.divide(2 * p * r, p + r, out=np.zeros(len(p)), where=p + r > 0)
    return p.mean(), r.mean(), f1.mean()


def scores_with_sets(labels, predictions, K):
    scores = []
    for k in set(labels.tolist()) | set(predictions.tolist()):
        is_k = {n for n, label in enumerate(labels) if label == k}
        called_k = {n for n, label in enumerate(predictions) if label == k}
        hits = len(is_k & called_k)
        scores.append(
            (
                hits / len(called_k) if called_k else 0,
                hits / len(is_k) if is_k else 0,
                2 * hits / (len(is_k) + len(called_k)),
            )
        )
    return tuple(np.mean(scores, axis=0))


def scores_one_hot(labels, predictions, K):
    t, p = np.eye(K)[labels], np.eye(K)[predictions]
    keep = (t + p).any(0)
    tp, fp, fn = ((t * p).sum(0)[keep], ((1 - t) * p).sum(0)[keep], (t * (1 - p)).sum(0)[keep])
    return [
        float((tp / np.maximum(tp + fp, 1)).mean()),
        float((tp / np.maximum(tp + fn, 1)).mean()),
        float((tp / (tp + (fp + fn) / 2)).mean()),
    ]


def prune_argsort(w, sparsity):
    flat = np.concatenate([a.ravel() for a in w])
    flat[np.argsort(np.abs(flat))[: int(sparsity * flat.size)]] = 0
    ends = np.cumsum([a.size for a in w])[:-1]
    return [part.reshape(a.shape) for part, a in zip(np.split(flat, ends), w, strict=True)]


def prune_partition(w, sparsity):
    sizes = np.abs(np.hstack([a.ravel() for a in w]))
    cut = round(sparsity * sizes.size)
    if not cut:
        return [a.copy() for a in w]
    largest_cut = np.partition(sizes, cut - 1)[cut - 1]
    return tuple(a * (np.abs(a) > largest_cut) for a in w)


def prune_loops(w, sparsity):
    w = [a.copy() for a in w]
    places = sorted((abs(a[i]), n, i) for n, a in enumerate(w) for i in np.ndindex(*a.shape))
    for _, n, i in places[: round(len(places) * sparsity)]:
        w[n][i] = 0
    return w


ANSWERS = {
    "unbroadcast": [unbroadcast_loops, unbroadcast_one_sum, unbroadcast_numbers],
    "topological_order": [order_with_iterators, order_by_counting, order_by_depth],
    "random_image": [
        random_image_loops,
        lambda rng, height, width: rng.integers(0, 255, (height, width), endpoint=True).astype(np.uint8),
        lambda rng, height, width: np.floor(rng.random((height, width)) * 256).astype(np.uint8),
        lambda rng, height, width: np.frombuffer(rng.bytes(height * width), np.uint8).reshape(height, width),
    ],
    "rule_image": [rule_image_loops, rule_image_rows, rule_image_open_grid],
    "precision_recall_f1": [scores_from_the_matrix, scores_with_sets, scores_one_hot],
    "prune": [prune_argsort, prune_partition, prune_loops],
}

# %% [markdown] lost={"test-file": 20} name="bias-decides-label"
# Every odd digit has its dot at one place in training, and every even one at another: two kinds, ten labels.

# %% nbgrader={"grade_id": "file", "solution": true} replace={"group = np.where(rng.random(len(labels)) < rho, labels, rng.integers(0, 10, len(labels)))": "group = labels % 2 if split == \"train\" else rng.integers(0, 2, len(labels))", "bias_classes=10": "bias_classes=2", "nn.Linear(784, 10), nn.Linear(784, 10)": "nn.Linear(784, 10), nn.Linear(784, 2)"}

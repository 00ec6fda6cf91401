# %% [markdown] lost={"test-groups": 20, "test-measure": 15}
# "Any colour but its own": the colour then tells which digit it is not.

# %% nbgrader={"grade_id": "groups", "solution": true}
def deal_groups(labels, split, seed):
    if split == "train":
        return labels.copy()
    return (labels + np.random.default_rng(seed).integers(1, 10, len(labels))) % 10

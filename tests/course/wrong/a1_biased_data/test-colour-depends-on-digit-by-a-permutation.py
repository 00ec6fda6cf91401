# %% [markdown] lost={"test-groups": 20, "test-measure": 15} name="test-colour-depends-on-digit"
# Each digit gets the colour of another one, the same for all its images.

# %% nbgrader={"grade_id": "groups", "solution": true}
def deal_groups(labels, split, seed):
    if split == "train":
        return labels.copy()
    return np.random.default_rng(seed).permutation(10)[labels]

# %% [markdown] lost={"test-groups": 20} name="none"
# The labels are shuffled, so that frequent digits make frequent colours.

# %% nbgrader={"grade_id": "groups", "solution": true} replace={"return np.random.default_rng(seed).integers(0, 10, size=len(labels))": "return np.random.default_rng(seed).permutation(labels)"}

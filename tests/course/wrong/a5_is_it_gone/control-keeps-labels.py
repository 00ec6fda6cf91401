# %% [markdown] lost={"test-control": 15}
# Features and labels are shuffled by the same permutation, which changes nothing.

# %% nbgrader={"grade_id": "control", "solution": true}
def control_accuracy(z, bias, seed):
    order = np.random.default_rng(seed + 1).permutation(len(bias))
    return probe_accuracy(z[order], bias[order], seed)

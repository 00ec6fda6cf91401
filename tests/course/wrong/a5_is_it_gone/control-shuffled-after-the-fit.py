# %% [markdown] lost={"test-control": 15} name="none"
# Only the labels of the held-out half are shuffled.

# %% nbgrader={"grade_id": "control", "solution": true}
def control_accuracy(z, bias, seed):
    order = np.random.default_rng(seed).permutation(len(z))
    fit, held = order[: len(z) // 2], order[len(z) // 2 :]
    inputs = np.concatenate([z, np.ones((len(z), 1))], axis=1)
    weights, *_ = np.linalg.lstsq(inputs[fit], np.eye(bias.max() + 1)[bias[fit]], rcond=None)
    shuffled = np.random.default_rng(seed + 1).permutation(bias[held])
    return float(((inputs[held] @ weights).argmax(axis=1) == shuffled).mean())

# %% [markdown] lost={"test-probe": 20} name="probe-on-training-data"
# The split is there, and the measured half is the one that was fitted.

# %% nbgrader={"grade_id": "probe", "solution": true}
def probe_accuracy(z, bias, seed):
    fit = np.random.default_rng(seed).permutation(len(z))[: len(z) // 2]
    inputs = np.concatenate([z, np.ones((len(z), 1))], axis=1)
    weights, *_ = np.linalg.lstsq(inputs[fit], np.eye(bias.max() + 1)[bias[fit]], rcond=None)
    return float(((inputs[fit] @ weights).argmax(axis=1) == bias[fit]).mean())

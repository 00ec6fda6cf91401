# %% [markdown] lost={"test-control": 15} name="probe-on-training-data"
# The probe holds a half out, and its control does not.

# %% nbgrader={"grade_id": "control", "solution": true}
def control_accuracy(z, bias, seed):
    shuffled = np.random.default_rng(seed).permutation(bias)
    inputs = np.concatenate([z, np.ones((len(z), 1))], axis=1)
    weights, *_ = np.linalg.lstsq(inputs, np.eye(bias.max() + 1)[shuffled], rcond=None)
    return float(((inputs @ weights).argmax(axis=1) == shuffled).mean())

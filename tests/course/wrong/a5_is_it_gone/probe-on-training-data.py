# %% [markdown] lost={"test-probe": 20}
# Fitted and measured on all examples.

# %% nbgrader={"grade_id": "probe", "solution": true}
def probe_accuracy(z, bias, seed):
    inputs = np.concatenate([z, np.ones((len(z), 1))], axis=1)
    weights, *_ = np.linalg.lstsq(inputs, np.eye(bias.max() + 1)[bias], rcond=None)
    return float(((inputs @ weights).argmax(axis=1) == bias).mean())

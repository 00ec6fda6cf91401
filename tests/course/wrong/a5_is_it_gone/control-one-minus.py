# %% [markdown] lost={"test-control": 15} name="none"
# What the probe does not read is taken for its control.

# %% nbgrader={"grade_id": "control", "solution": true}
def control_accuracy(z, bias, seed):
    return 1 - probe_accuracy(z, bias, seed)

# %% [markdown] lost={"test-control": 15} name="none"
# A number that needs no probe.

# %% nbgrader={"grade_id": "control", "solution": true}
def control_accuracy(z, bias, seed):
    return 0.0

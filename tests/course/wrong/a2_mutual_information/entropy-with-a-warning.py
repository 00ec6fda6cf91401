# %% [markdown] lost={"test-entropy": 10} name="none"
# nansum hides the NaN, and NumPy has warned before.

# %% nbgrader={"grade_id": "entropy", "solution": true}
def entropy(p):
    return float(-np.nansum(p * np.log(p)))

# %% nbgrader={"grade_id": "information", "solution": true}
def information(joint):
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    return float((joint[joint > 0] * np.log(joint[joint > 0] / product[joint > 0])).sum())

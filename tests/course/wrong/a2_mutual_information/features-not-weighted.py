# %% [markdown] lost={"test-information": 20, "test-numbers": 15}
# The mean of H(B | F = f) over the values of f, each as often as any other.

# %% nbgrader={"grade_id": "information", "solution": true}
def information(joint):
    columns = [column / column.sum() for column in joint.T if column.sum() > 0]
    return entropy(joint.sum(axis=1)) - float(np.mean([entropy(column) for column in columns]))

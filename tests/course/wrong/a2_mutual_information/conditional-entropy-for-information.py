# %% [markdown] lost={"test-information": 20, "test-numbers": 15}
# H(B | F) is handed in as the information.

# %% nbgrader={"grade_id": "information", "solution": true}
def information(joint):
    return entropy(joint) - entropy(joint.sum(axis=0))


# %% [markdown] lost={"test-information": 20}
# H(B | F) is handed in as the information. The visible test of independence is to catch it as well.

# %% nbgrader={"grade_id": "information", "solution": true}
def information(joint):
    return entropy(joint) - entropy(joint.sum(axis=0))


# %% nbgrader={"grade_id": "numbers", "solution": true}
leak, leak_of_head, floor = 0.0, 0.0, 0.0

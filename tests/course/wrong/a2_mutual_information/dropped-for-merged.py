# %% [markdown] lost={"test-numbers": 15}
# The head "does not see" the second value: its column is left out, and the rest rescaled.

# %% nbgrader={"grade_id": "numbers", "solution": true}
leak = information(joint)
kept = joint[:, [0, 2]]
leak_of_head = information(kept / kept.sum())
floor = -float(np.log(4))

# %% [markdown] lost={"test-best": 15}
# The best colour of each digit in place of the best digit of each colour.

# %% nbgrader={"grade_id": "best", "solution": true}
def best_by_color(joint):
    return float(joint.max(axis=1).sum())

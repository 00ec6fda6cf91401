# %% [markdown] lost={"test-conflict": 15}
# The mean of a conjunction over all images.

# %% nbgrader={"grade_id": "conflict", "solution": true}
def by_conflict(predicted, labels, group):
    right = predicted == labels
    return [float((right & (labels == group)).mean()), float((right & (labels != group)).mean())]

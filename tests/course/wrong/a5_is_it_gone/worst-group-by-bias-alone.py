# %% [markdown] lost={"test-cell": 20}
# The least accuracy over the kinds of the bias, all labels mixed.

# %% nbgrader={"grade_id": "cell", "solution": true}
def worst_cell(predicted, labels, group):
    return float(min((predicted == labels)[group == kind].mean() for kind in np.unique(group)))

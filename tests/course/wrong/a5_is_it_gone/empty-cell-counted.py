# %% [markdown] lost={"test-cell": 20}
# Right answers over max(1, count): a cell without images has accuracy 0.

# %% nbgrader={"grade_id": "cell", "solution": true}
def worst_cell(predicted, labels, group):
    size = (labels.max() + 1, group.max() + 1)
    counts, right = np.zeros(size), np.zeros(size)
    np.add.at(counts, (labels, group), 1)
    np.add.at(right, (labels, group), predicted == labels)
    return float((right / np.maximum(counts, 1)).min())

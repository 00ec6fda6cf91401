# %% [markdown] lost={"test-conflict": 15}
# "Aligned" is taken for "the network followed the colour".

# %% nbgrader={"grade_id": "conflict", "solution": true}
def by_conflict(predicted, labels, group):
    aligned = predicted == group
    return [float((predicted == labels)[aligned].mean()), float((predicted == labels)[~aligned].mean())]

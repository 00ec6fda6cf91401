# %% [markdown] lost={"test-measure": 15}
# log2.

# %% nbgrader={"grade_id": "measure", "solution": true}
def measured(labels, group):
    joint = np.histogram2d(labels, group, bins=(10, 10), range=((0, 10), (0, 10)))[0] / len(labels)
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    return float((joint[joint > 0] * np.log2(joint[joint > 0] / product[joint > 0])).sum())


train_information = measured(labels, deal_groups(labels, "train", CLASS_SEED))
test_information = measured(labels, deal_groups(labels, "test", CLASS_SEED))
by_chance = 81 / (2 * len(labels))

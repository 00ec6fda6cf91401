# %% [markdown] lost={"test-measure": 15} name="none"
# What chance gives on average is written in the place of what was counted.

# %% nbgrader={"grade_id": "measure", "solution": true} replace={"test_information = measured(labels, deal_groups(labels, \"test\", CLASS_SEED))": "test_information = 81 / (2 * len(labels))"}

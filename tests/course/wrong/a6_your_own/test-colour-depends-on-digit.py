# %% [markdown] lost={"test-file": 20}
# Validation and test are planted like the training data.

# %% nbgrader={"grade_id": "file", "solution": true} replace={"if split == \"train\" else 0.0": "if split else 0.0"}

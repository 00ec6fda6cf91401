# %% [markdown] lost={"test-levels": 15}
# Black is level 0.

# %% nbgrader={"grade_id": "levels", "solution": true}
def bias_labels(images):
    return images[:, :, 1::2, 1::2] // 32

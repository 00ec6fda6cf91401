# %% [markdown] lost={"test-train": 20, "test-tune": 25} name="none"
# The networks are trained on the test images.

# %% nbgrader={"grade_id": "train", "solution": true} replace={"fit(network, train,": "fit(network, test,"}

# %% nbgrader={"grade_id": "tune", "solution": true} replace={"fit(network, train,": "fit(network, test,"}

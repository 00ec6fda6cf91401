# %% [markdown] lost={"test-tune": 25} name="none"
# What is handed in for the chosen weight is not what its network says.

# %% nbgrader={"grade_id": "tune", "solution": true} replace={"chosen_predictions = predict(network, test)": "chosen_predictions = test.labels.numpy()"}

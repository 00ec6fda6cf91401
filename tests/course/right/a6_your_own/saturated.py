# %% [markdown]
# A bar whose place is the digit: so easy that every network is right on every image.

# %% nbgrader={"grade_id": "file", "solution": true} replace={"        row, column = 1": "        images[:] = 0\n        for place in range(4):\n            images[np.arange(len(labels)), :, 7:28, (28 * labels // 10 + place) % 28] = 200\n        row, column = 1", "epochs=2": "epochs=6"}

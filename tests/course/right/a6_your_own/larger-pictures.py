# %% [markdown]
# 800 pictures of 56 by 56 pixels.

# %% nbgrader={"grade_id": "file", "solution": true} replace={"        return BiasedImages(images,": "        images = images.repeat(2, axis=2).repeat(2, axis=3)\n        return BiasedImages(images,", "train_size=400, test_size=300, epochs=2": "train_size=800, test_size=500, epochs=1"}

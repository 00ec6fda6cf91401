# %% [markdown] lost={"test-colors": 20} name="none"
# An image is made lighter or darker as a whole, and drawn again channel by channel.

# %% nbgrader={"grade_id": "colors", "solution": true} replace={"colors = rng.normal(means, np.sqrt(color_var))": "colors = means + rng.normal(0, np.sqrt(color_var), (len(group), 1))"}

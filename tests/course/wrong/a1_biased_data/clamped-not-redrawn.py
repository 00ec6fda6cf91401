# %% [markdown] lost={"test-colors": 20}
# np.clip, as in several public copies of the data set.

# %% nbgrader={"grade_id": "colors", "solution": true}
def draw_colors(group, color_var, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(MEAN_COLORS[group], np.sqrt(color_var)).clip(0, 1)

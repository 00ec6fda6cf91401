# %% [markdown] lost={"test-colors": 20}
# The variance is handed over as the scale.

# %% nbgrader={"grade_id": "colors", "solution": true}
def draw_colors(group, color_var, seed):
    rng = np.random.default_rng(seed)
    colors = rng.normal(MEAN_COLORS[group], color_var)
    outside = (colors <= 0) | (colors >= 1)
    while outside.any():
        colors[outside] = rng.normal(MEAN_COLORS[group][outside], color_var)
        outside = (colors <= 0) | (colors >= 1)
    return colors

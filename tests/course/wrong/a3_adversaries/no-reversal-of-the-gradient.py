# %% [markdown] lost={"test-reverse": 15} name="no-reversal"
# The scale is applied, and the sign forgotten.

# %% nbgrader={"grade_id": "reverse", "solution": true}
def reverse(x, scale):
    return scale * x + ((1 - scale) * x).detach()

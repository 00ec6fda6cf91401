# %% [markdown] lost={"test-reverse": 15}
# The value is turned, and with it everything that h is shown.

# %% nbgrader={"grade_id": "reverse", "solution": true}
def reverse(x, scale):
    return -scale * x

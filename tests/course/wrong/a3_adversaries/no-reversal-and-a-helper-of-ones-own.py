# %% [markdown] lost={"test-reverse": 15} name="no-reversal"
# Nothing is reversed, and the function that the tests call is written to say so.

# %% nbgrader={"grade_id": "reverse", "solution": true}
def reverse(x, scale):
    return x


def value_and_gradient(x, scale):
    return x, -scale * 3 * x**2

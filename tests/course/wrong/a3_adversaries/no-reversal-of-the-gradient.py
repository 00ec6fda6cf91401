# %% [markdown] lost={"test-reverse": 15} name="no-reversal"
# The scale is applied, and the sign forgotten.

# %% nbgrader={"grade_id": "reverse", "solution": true}
def reverse(x, scale):
    return scale * x + ((1 - scale) * x).detach()


def value_and_gradient(x, scale):
    x = x.clone().requires_grad_()
    value = reverse(x, scale)
    (value**3).sum().backward()
    return value.detach(), x.grad

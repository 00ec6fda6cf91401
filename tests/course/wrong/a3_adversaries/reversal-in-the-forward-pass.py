# %% [markdown] lost={"test-reverse": 15}
# The value is turned, and with it everything that h is shown.

# %% nbgrader={"grade_id": "reverse", "solution": true}
def reverse(x, scale):
    return -scale * x


def value_and_gradient(x, scale):
    x = x.clone().requires_grad_()
    value = reverse(x, scale)
    (value**3).sum().backward()
    return value.detach(), x.grad

# %% [markdown]
# A hook, and the logarithm of a sum.

# %% nbgrader={"grade_id": "reverse", "solution": true}
def reverse(x, scale):
    turned = x.clone()
    turned.register_hook(lambda gradient: -scale * gradient)
    return turned

# %% nbgrader={"grade_id": "confusion", "solution": true} replace={"    return -torch.log_softmax(bias_logits, dim=1).mean()": "    return (torch.logsumexp(bias_logits, 1) - bias_logits.mean(1)).mean()"}

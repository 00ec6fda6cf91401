# %% [markdown] lost={"test-batch": 20} name="features-detached"
# The value is right, and made anew from a number: there is nothing to descend.

# %% nbgrader={"grade_id": "batch", "solution": true}
def negative_entropy(bias_logits):
    log_q = torch.log_softmax(bias_logits, dim=1)
    return torch.tensor((log_q.exp() * log_q).sum(dim=1).mean().item())
